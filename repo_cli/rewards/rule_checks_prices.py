"""Checks on the amounts of money in a reply, against the scenario and what has been said."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import product

from repo_cli.negotiation import is_ask
from repo_cli.rewards.rule_check_base import check
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
    asks = is_ask(r.text, r.at.language)
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
    r"(?i)\b(?:platform [a-z]\b|(?:an|the )?other (?:platforms?|channels?|sites?)|a different (?:platform|"
    r"channel|site)|"
    r"elsewhere|competitors?|rivals?)|平台[A-Za-z]|(?:别的|其他|其它|另一?个?|另外的?)(?:平台|渠道|网站)|"
    r"竞争对手|竞品"
)
_JOIN = re.compile(r"(?i)^[^.;?!。；？！]{0,14}(?:\b(?:at|on|with|from|by|via|over)\b|在)\s*(?:the\s+)?$")
_CLAUSE_END = re.compile(r"[.;?!](?:\s|$)|[。；？！\n]")


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
    names = "|".join(re.escape(name) for name in sourced if name)
    mentions = re.finditer(f"(?i){names}|{_RIVAL.removeprefix('(?i)')}" if names else _RIVAL, r.text)
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


_EQUALS = re.compile(
    r"(?i)\b(?:is|are|be|it's|that's|makes?|means?|equals?|comes? (?:out )?(?:to|at)|gives?|brings?|takes?|gets?|lands?|"
    r"puts?|works out|about|around|roughly|leaves?|or|so|to)\b|=|就是|等于|相当于|大概|大约|约|也就是|即|差不多|是|就|"
    r"^的话$|^[,，]?\s*$|左右|下来|折后"
)
# what lies between a price and the discount that is said to make it ("350, a 20% cut")
_IS_RATIO = re.compile(
    r"(?i)^(?:\s*(?:yuan|cny|元|块|a night|per night|每晚|一晚))*\s*[,，]?\s*(?:(?:is|that is|that's|which is|or|i\.e\.|就是|是|即|也就是|"
    r"等于|相当于|差不多是?|大概是?|约)\s*)?(?:only |just |about |roughly |around |nearly |close to |a |an |打|大概|差不多)*$"
)


@check()
def ratio_price_agree(r: Reading, *, tolerance: float = 0.01) -> Finding | None:
    """A discount word and the price it is said to give disagree by more than `tolerance` of the current
    price + 1."""
    current, applies = r.at.number("current_price"), False
    for ratio in (a for a in r.amounts if a.kind == "ratio"):
        for amount in r.plain_amounts:
            gap = r.text[ratio.span[1] : amount.span[0]]
            said = amount.span[0] >= ratio.span[1] and _EQUALS.search(gap)
            if amount.span[1] <= ratio.span[0]:
                gap = r.text[amount.span[1] : ratio.span[0]]
                said = _IS_RATIO.match(gap)
            if (
                not said
                or len(gap) > 25
                or re.search(r"[.!?。！？；;]", gap)
                or near(amount.value, [current])
            ):
                continue
            applies = True
            if abs(amount.value - ratio.value) > tolerance * current + 1:
                span = (min(ratio.span[0], amount.span[0]), max(ratio.span[1], amount.span[1]))
                return r.found(span, f"that discount gives {ratio.value:.0f}, not {amount.value:g}")
            break
    return CLEAR if applies else None


_NUMBER = r"(\d+(?:\.\d+)?)"
# a bare "-" between figures is a date or a range ("06-18 is 388"), unless "=" follows or it stands apart
_SUMS = re.compile(
    rf"(?i)(?<![\d/-]){_NUMBER}\s*(?:yuan|cny|元|块)?\s*"
    rf"(minus|less|plus|times|减去?|加上?|乘以?|(?<=\s)[-−+x×*](?=\s)|"
    rf"[-−+x×*](?=\s*\d+(?:\.\d+)?\s*(?:yuan|cny|元|块)?\s*=))"
    rf"\s*{_NUMBER}\s*"
    rf"(?:yuan|cny|nights?|元|块|晚)?\s*(?:is|are|makes?|equals?|gives?|leaves?|comes to|=|就是|等于|是|"
    rf"得)\s*"
    rf"(?:about |only |just )?{_NUMBER}"
)
_UNIT = r"(?:\s*(?:yuan|cny|rmb|元|块))?"
_NONE = r"(?!\d|[.]\d|\s*%|\s*per ?cent|\s*折|\s*成)"
# two prices and the gap between them, in the order (price, price, gap)
_STEP = re.compile(
    rf"(?i)\bfrom {_NUMBER}{_UNIT} (?:down )?to {_NUMBER}{_UNIT},? (?:is|saves?|means|makes|would be|that is|that's)\s*"
    rf"(?:a (?:step|cut|difference|drop|reduction|saving|fall|change) of |only |just |about )?{_NUMBER}{_NONE}"
    rf"|\b(?:difference|gap) between {_NUMBER}{_UNIT} and {_NUMBER}{_UNIT} (?:is|makes|comes to|would be) "
    rf"(?:only |just |about )?{_NUMBER}{_NONE}"
    rf"|从{_NUMBER}{_UNIT}(?:降|调|减|变)?到{_NUMBER}{_UNIT}[，,]?(?:就)?(?:只)?(?:少|降|差|便宜|省|减)(?:了|下)?{_NUMBER}{_NONE}"
    rf"|{_NUMBER}{_UNIT}(?:和|跟|与|比){_NUMBER}{_UNIT}(?:之间)?(?:只)?(?:相?差|贵|便宜|高|低)(?:了|出)?{_NUMBER}{_NONE}"
)
# the gap first
_SAVES = re.compile(
    rf"(?i)\b(?:saves?|drops?|takes? off|cuts?|lowers? it by)\s*{_NUMBER}{_UNIT},? (?:going )?from {_NUMBER}{_UNIT} (?:down )?to "
    rf"{_NUMBER}{_NONE}"
)
# a price less a cut leaves a price: (cut, price, rest) and (price, cut, rest)
_OFF = re.compile(
    rf"(?i)\b(?:taking|take|with|knocking) {_NUMBER}{_UNIT} (?:off|from|away from) {_NUMBER}{_UNIT},? (?:leaves|gives|makes|is|brings \w+ to)"
    rf"(?: us| you)?(?: at)? {_NUMBER}{_NONE}"
)
_REST = re.compile(
    rf"(?<![\d/-]){_NUMBER}{_UNIT}(?:便宜|减|少|降|扣)(?:掉|去|了)?{_NUMBER}{_UNIT}[，,]?(?:就)?(?:剩|还剩|就是|等于|是|得){_NUMBER}{_NONE}"
)
_COUNTS = {
    "one": 1,
    "two": 2,
    "both": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
}
_N = r"(\d|one|two|both|three|four|five|[两二三四五])"
# so many nights at a price: (nights, price, total) and (price, nights, total)
_NIGHTS = re.compile(
    rf"(?i)\b{_N} (?:the )?nights? at {_NUMBER}{_UNIT}(?: (?:each|a night|per night))?,? (?:come|comes|make|makes|is|are|would be|total)"
    rf"(?: to)?(?: about)? {_NUMBER}{_NONE}|{_N}晚[，,]?(?:都)?(?:是)?每晚{_NUMBER}{_UNIT}[，,]?(?:总|一)?共?(?:计|是|就是)?{_NUMBER}{_NONE}"
)
_EACH = re.compile(
    rf"(?i){_NUMBER}{_UNIT}(?:每晚|一晚)?[，,]?{_N}晚[，,]?(?:就是|是|合计|总价|(?:总|一)共|共)(?:计|是)?{_NUMBER}{_NONE}"
    rf"|\b{_NUMBER}{_UNIT}(?: (?:each|a night|per night))? (?:for|times) {_N} nights? (?:is|comes? to|makes?|would be) {_NUMBER}{_NONE}"
)


@check()
def arithmetic(r: Reading) -> Finding | None:
    """A sum that is spelt out and does not add up ("388 minus 38 is 340")."""
    applies = False
    for m in _SUMS.finditer(r.text):
        a, b, c = float(m[1]), float(m[3]), float(m[4])
        sign = m[2].lower()
        if sign in ("minus", "less", "-", "−") or sign.startswith("减"):
            right = a - b
        elif sign in ("plus", "+") or sign.startswith("加"):
            right = a + b
        else:
            right = a * b
        applies = True
        if abs(right - c) > 0.51:
            return r.found(m.span(), f"that makes {right:g}")
    for pattern, work_out in _SPELT:
        for m in pattern.finditer(r.text):
            applies = True
            *parts, said = [_value(g) for g in m.groups() if g is not None]
            right = work_out(*parts)
            if abs(right - said) > 0.51:
                return r.found(m.span(), f"that makes {right:g}")
    return CLEAR if applies else None


def _value(text: str) -> float:
    return float(_COUNTS.get(text.lower(), 0) or text)


_SPELT: tuple[tuple[re.Pattern[str], Callable[[float, float], float]], ...] = (
    (_STEP, lambda a, b: abs(a - b)),
    (_SAVES, lambda gap, a: a - gap),
    (_OFF, lambda cut, a: a - cut),
    (_REST, lambda a, cut: a - cut),
    (_NIGHTS, lambda nights, a: nights * a),
    (_EACH, lambda a, nights: nights * a),
)


_CURRENCIES = {
    "CNY": r"¥|￥|\bcny\b|\brmb\b|\byuan\b|\bkuai\b|(?<![美港欧日])元|块|人民币",
    "USD": r"\$|usd(?![a-z])|(?:us )?dollars?\b|bucks\b|美元|美金|美刀|刀(?!具|叉|片)",
    "EUR": r"€|euros?\b|eur(?![a-z])|欧元",
    "GBP": r"£|gbp(?![a-z])|pounds?\b|quid\b|sterling\b|英镑",
    "JPY": r"jpy(?![a-z])|yen\b|日元|日币|円",
    "HKD": r"hkd(?![a-z])|hk\$|hong kong dollars?\b|港币|港元|港纸",
    "other": r"(?:sgd|aud|cad|chf|thb|krw|twd|inr)(?![a-z])|(?:singapore|australian|canadian|taiwan) dollars?\b|"
    r"(?:francs?|baht|won|rupees?|rubles?|pesos?)\b|新加坡元|新币|澳元|澳币|加元|加币|台币|新台币|韩元|韩币|泰铢|卢布|瑞郎",
}


@lru_cache(maxsize=16)
def _of_money(words: str) -> re.Pattern[str]:
    """The words of a currency beside a number, in digits or spelt out."""
    spelt = r"(?:hundred|thousand|(?:fif|six|seven|eigh|nine|for|thir|twen)t(?:y|een)|[百十千])"
    return re.compile(rf"(?i)(?:(?<![a-z])|(?=[$€£]))(?:{words})\s*\d|(?:\d|{spelt})\s*(?:{words})")


@check()
def currency(r: Reading) -> Finding | None:
    """An amount in a currency that is not the scenario's."""
    own = str(r.at.scenario.get("currency") or "").upper()
    if own not in _CURRENCIES:
        raise NotScored("the scenario has no currency that is known here")
    for code, words in _CURRENCIES.items():
        if code == own:
            continue
        found = _of_money(words).search(r.text)
        if found:
            return r.found(found.span(), f"{code} where the scenario has {own}")
    return CLEAR if r.plain_amounts else None
