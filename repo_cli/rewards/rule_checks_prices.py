"""Checks on the amounts of money in a reply, against the scenario and what has been said."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Amount, Finding, NotScored, Reading, near

_TOTAL = re.compile(
    r"(?i)\b(?:total|altogether|in all|(?:both|all|two|three|four|five|\d+) nights)\b"
    r"|总共|一共|共计?|合计|总价|[两二三四五\d]晚|全程"
)


def _bound(r: Reading, bound: str | float | None) -> float | None:
    """A limit of a range: a number, the name of a scenario key, or none."""
    return r.at.number(bound) if isinstance(bound, str) else bound


def _negotiated(r: Reading) -> list[float]:
    keys = ("target_price", "acceptable_price", "floor_ask")
    return [v for key in keys if (v := r.at.maybe(key)) is not None]


def _is_total(r: Reading, amount: Amount) -> bool:
    """Whether the amount is the price of all nights together, and says so."""
    nights = r.at.maybe("nights")
    if not nights or nights < 2 or not _TOTAL.search(r.cut(r.sentence_of(amount.span))):
        return False
    each = amount.value / nights
    low, high = r.at.maybe("floor_ask"), r.at.maybe("current_price")
    return low is not None and high is not None and low - 0.5 <= each <= high + 0.5


@check()
def price_in_range(
    r: Reading, *, low: str | float | None = "floor_ask", high: str | float | None = "current_price"
) -> Finding | None:
    """A price outside [low, high]; each a number, a scenario key, or null for no limit.

    Facts of the brief are left out, and so is a price that the partner named, unless the reply asks for it.
    Changes and ratios ("100 off", "八折") count, worked out on the current price, where the reply asks for
    one.
    """
    lowest, highest = _bound(r, low), _bound(r, high)
    asks = r.asks
    quoted = set(r.at.fact_values()) | (set() if asks else r.at.partner_amounts)
    for amount in r.amounts:
        if (amount.implied and not asks) or amount.kind == "net" or near(amount.value, quoted):
            continue
        if _is_total(r, amount):
            continue
        if lowest is not None and amount.value < lowest - 0.51:
            return r.found(amount.span, f"{amount.value:g} is below {lowest:g}")
        if highest is not None and amount.value > highest + 0.51:
            return r.found(amount.span, f"{amount.value:g} is above {highest:g}")
    return CLEAR if r.amounts else None


# The words before a number that make it a claim about what others pay or charge, up to the number itself.
_CLAIM = re.compile(
    r"(?i)\b(?:guests?|travell?ers?|customers?|people|others?|everyone|neighbou?rs?|competitors?|hotels?|"
    r"average|"
    r"market|median|typical\w*|usual\w*|normal\w*)\b[^.,;?!]{0,30}"
    r"\b(?:pay|pays|paid|paying|charges?|charged|costs?|sells?|sold|books?|booked|goes? for|is|are|was|"
    r"were)\b"
    r"[^.,;?!]{0,18}$"
    r"|(?:客人|旅客|住客|大家|别人|周边|附近|同行|其他|别家|市场|平均|均价|隔壁|一般)[^，。？！,;]{0,12}"
    r"(?:付|卖|是|才|只|都|在|定|挂|收|花)[^，。？！,;]{0,6}$"
)


def _is_claim(r: Reading, amount: Amount) -> bool:
    start = r.sentence_of(amount.span)[0]
    return bool(_CLAIM.search(r.text[start : amount.span[0]]))


def _differences(values: list[float]) -> list[float]:
    return [abs(a - b) for a, b in product(values, values) if a != b]


@check()
def price_grounded(r: Reading) -> Finding | None:
    """An amount that neither the brief nor the talk so far gives, nor a difference of two that they give.

    Any price between the floor and the current one may be proposed. A claim about what others pay or charge
    must name a public figure: not the agent's own target or limit.
    """
    current, floor = r.at.number("current_price"), r.at.maybe("floor_ask")
    public = [current, *r.at.fact_values(), *r.at.partner_amounts]
    known = [*public, *r.at.agent_amounts, *_negotiated(r), *(a.value for a in r.plain_amounts)]
    gaps = _differences([v for v in known if v <= 2 * current])
    for amount in r.plain_amounts:
        value = amount.value
        if near(value, public) or amount.kind == "net":
            continue
        if _is_claim(r, amount):
            if not near(value, _differences(public)):
                return r.found(amount.span, f"{value:g} is claimed without a source")
            continue
        others = [*r.at.agent_amounts, *_negotiated(r)]
        in_reach = (floor if floor is not None else 0.8 * current) - 0.51 <= value <= current + 0.51
        if in_reach or near(value, others) or near(value, gaps) or _is_total(r, amount):
            continue
        return r.found(amount.span, f"{value:g} is neither in the brief nor said before")
    return CLEAR if r.plain_amounts else None


_RIVAL = (
    r"(?i)\b(?:platform [a-z]\b|(?:an|the )?other (?:platforms?|channels?|sites?)|"
    r"(?:an?|another|the) (?:different|competing|rival|second) "
    r"(?:platform|channel|site)|"
    r"elsewhere|competitors?|rivals?)|平台[A-Za-z]|(?:别的|其他|其它|另一?个?|另外(?:的|一个)?)(?:平台|渠道|网站)|"
    r"竞争对手|竞品"
)
_JOIN = re.compile(r"(?i)^[^.;?!。；？！]{0,14}(?:\b(?:at|on|with|from|by|via|over)\b|在)\s*(?:the\s+)?$")
_CLAUSE_END = re.compile(r"[.;?!](?:\s|$)|[。；？！\n]")


_ANY_RIVAL = Cue(_RIVAL)


@lru_cache(maxsize=64)
def _mentions(names: str) -> re.Pattern[str]:
    """Where a text speaks of a competitor: one of the brief's (an expression of their names), or any."""
    return re.compile(f"(?i){names}|{_RIVAL.removeprefix('(?i)')}" if names else _RIVAL)


@check()
def competitor_price_as_sourced(r: Reading) -> Finding | None:
    """An amount said of a competitor that differs from the sourced one, or that no fact gives.

    The amount is the one joined to the name ("358 at Platform B"), else the first one after it in its
    sentence. What the partner said of a competitor may be repeated.
    """
    if not r.at.scenario:
        raise NotScored("no scenario")
    sourced: dict[str, list[float]] = {}
    for fact in r.at.facts:
        if fact.get("type") == "competitor_price" and isinstance(fact.get("value"), int | float):
            sourced.setdefault(str(fact.get("who", "")).lower(), []).append(float(fact["value"]))
    every = [v for values in sourced.values() for v in values]
    lowered = r.text.lower()
    if not any(name and name in lowered for name in sourced) and not _ANY_RIVAL.search(r.text):
        return None
    mentions = _mentions("|".join(re.escape(name) for name in sourced if name)).finditer(r.text)
    current, applies = r.at.maybe("current_price"), False
    for mention in mentions:
        amount = _amount_of(r, mention.span())
        if amount is None:
            continue
        applies = True
        allowed = sourced.get(mention.group().lower(), [] if _is_named(mention.group()) else every)
        gaps = [abs(current - v) for v in allowed] if current is not None else []
        value = amount.value
        # "30 cheaper on Platform B" is read as a change of the current price, so either form may be meant
        if (
            near(value, allowed)
            or near(value, r.at.partner_amounts)
            or (amount.kind == "price" and near(value, gaps))
        ):
            continue
        said = ", ".join(f"{v:g}" for v in allowed) or "nothing"
        return r.found(amount.span, f"{value:g} where the brief has {said}")
    return CLEAR if applies else None


def _is_named(mention: str) -> bool:
    return bool(re.fullmatch(r"(?i)platform [a-z]|平台[a-z]", mention))


def _amount_of(r: Reading, mention: tuple[int, int]) -> Amount | None:
    before = [a for a in r.amounts if a.span[1] <= mention[0]]
    if before and _JOIN.match(r.text[before[-1].span[1] : mention[0]]):
        return before[-1]
    for amount in r.amounts:
        if amount.span[0] >= mention[1]:
            gap = r.text[mention[1] : amount.span[0]]
            return None if len(gap) > 45 or _CLAUSE_END.search(gap) else amount
    return None
