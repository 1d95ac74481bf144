"""The check that what a reply says of a competitor's price is what the brief gives."""

from __future__ import annotations

import re
from functools import lru_cache

from repo_cli.rewards.rule_check_base import check
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import CLEAR, Amount, Finding, NotScored, Reading, Situation, near

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


def _sourced(at: Situation) -> dict[str, list[float]]:
    """The prices that the facts give, by competitor."""
    sourced: dict[str, list[float]] = {}
    for fact in at.facts:
        if fact.get("type") == "competitor_price" and isinstance(fact.get("value"), int | float):
            sourced.setdefault(str(fact.get("who", "")).lower(), []).append(float(fact["value"]))
    return sourced


@check()
def competitor_price_as_sourced(r: Reading) -> Finding | None:
    """An amount said of a competitor that differs from the sourced one, or that no fact gives.

    The amount is the one joined to the name ("358 at Platform B"), else the first one after it in its
    sentence. What the partner said of a competitor may be repeated.
    """
    if not r.at.scenario:
        raise NotScored("no scenario")
    sourced = r.at.memo("competitors", lambda: _sourced(r.at))
    every = [v for values in sourced.values() for v in values]
    lowered = r.text.lower()
    if not any(name and name in lowered for name in sourced) and not _ANY_RIVAL.search(r.text):
        return None
    mentions = _mentions("|".join(re.escape(name) for name in sourced if name)).finditer(r.text)
    current, applies = r.at.maybe("current_price"), False
    for mention in mentions:
        wrong = _wrong_gap(r, mention, sourced, every)
        if wrong is not None:
            return wrong
        amount = _amount_of(r, mention.span())
        if amount is None:
            continue
        applies = True
        allowed = sourced.get(mention.group().lower(), [] if _is_named(mention.group()) else every)
        gaps = [abs(current - v) for v in allowed] if current is not None else []
        value = amount.value
        if amount.kind == "delta" and current is not None and r.text[: mention.start()].endswith("比"):
            value = (
                2 * current - value
            )  # "比平台B高30": how far above it the hotel is, not it above the hotel
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


NEAR = 100  # characters before a name that are read for a gap
# "45 yuan above Platform B"
_GAP_BEFORE = re.compile(
    r"(?i)(?<![\d./-])(\d{1,3})(?: yuan| CNY| kuai| a night| per night)* (?:above|over|below|under"
    r"|(?:higher|lower|less|more|dearer|cheaper|pricier|more expensive) than) $"
)


_WORDS = {
    "five": 5,
    "ten": 10,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
}
_GAP_AFTER = re.compile(
    rf"(?i)(?:'s (?:price|rate))?(?: is| sits| stands| comes in| runs)(?: \w+)? (\d{{1,3}}"
    rf"|{'|'.join(_WORDS)})(?: yuan| CNY)? "
    r"(?:below|under|above|over|cheaper|lower|higher|dearer|less than|more than)\b(?! (?:nights?|rooms?))"
)


def _gap_value(text: str) -> float:
    return float(_WORDS.get(text.lower(), 0) or text)


def _wrong_gap(
    r: Reading, mention: re.Match[str], sourced: dict[str, list[float]], every: list[float]
) -> Finding | None:
    """A gap to a competitor, put before its name, that lies between none of the prices of the talk and its own."""
    at = mention.start()
    found = _GAP_BEFORE.search(r.text, max(0, at - NEAR), at) or _GAP_AFTER.match(r.text, mention.end())
    current = r.at.maybe("current_price")
    gap = _gap_value(found[1]) if found else None
    if found is None or gap is None or current is None or gap > 0.45 * current:
        return None
    theirs = sourced.get(mention.group().lower(), [] if _is_named(mention.group()) else every)
    prices = [current, *r.at.partner_amounts, *r.at.agent_amounts, *(a.value for a in r.plain_amounts)]
    if not theirs or near(gap, [abs(a - b) for a in prices for b in theirs]):
        return None
    return r.found(found.span(1), f"{found[1]} is no gap to {theirs[0]:g}")


def _is_named(mention: str) -> bool:
    return bool(re.fullmatch(r"(?i)platform [a-z]|平台[a-z]", mention))


# "isn't 350 but 358", "不是350，是358": the figure behind these words is not the one that is claimed
_DENIED = re.compile(
    r"(?i)(?:\bnot|n't|\bnever)(?: (?:at|for|on|asking|ask|charging|charge|priced|show(?:ing)?|selling|sell|been"
    r"|is|was)){0,2} $|不是(?:平台[A-Z])?(?:卖|要|的)?$|没(?:有)?[卖标挂要收开报]$|并非(?:卖)?$"
)


def _amount_of(r: Reading, mention: tuple[int, int]) -> Amount | None:
    amounts = [a for a in r.amounts if not _DENIED.search(r.text[max(0, a.span[0] - 24) : a.span[0]])]
    current = [v for v in [r.at.maybe("current_price")] if v is not None]
    after = None
    for amount in amounts:
        gap = r.text[mention[1] : amount.span[0]]
        # "Platform B? They show 358": a name put as a question ends nothing
        if amount.span[0] < mention[1] or len(gap) > 45 or _CLAUSE_END.search(gap.lstrip("?？ ")):
            continue
        if after is None or near(after.value, current):  # "30 less than your 388" tells of 30
            after = amount
    before = [a for a in amounts if a.span[1] <= mention[0]]
    if before and _JOIN.match(r.text[before[-1].span[1] : mention[0]]):
        # "here it is 388, on Platform B 358"
        return after if after is not None and near(before[-1].value, current) else before[-1]
    return after
