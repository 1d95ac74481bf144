"""Sums that a sentence states without the words of a sum: gaps, totals and products, held against its own figures.

"You give up 28 a night, 350 instead of 388" names two prices and one small amount: whatever the words, the amount has
to be the gap of the two, or that gap for all the nights. "Two nights at 350 come to 720" names a price and an amount
too large for one night: it has to be a price of the sentence times the nights.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from repo_cli.negotiation.numbers_en import scan_en
from repo_cli.negotiation.numbers_zh import scan_zh
from repo_cli.rewards.rule_cues import Cue
from repo_cli.rewards.rule_reading import Finding, Reading, Span, near

SMALL = 0.45  # of the current price: below it an amount is a change, no price
LARGE = 1.35  # of the sentence's prices: above it an amount is a total
_ASKS = re.compile(
    r"(?i)\b(?:could|can|would|will|may) (?:you|we|i|it)\b|\bhow about\b|\bwhat about\b|\bshall\b"
    r"|\bplease\b|\bif you (?:could|can|would|agree|are|were)\b"
    r"|能不能|可不可以|能否|可以吗|行吗|行不行|好吗|怎么样|要不要|建议|希望|您看(?:可以|行)"
)
_ROUGH = re.compile(
    r"(?i)\b(?:about|around|roughly|nearly|almost|some|close to)\b|差不多|大概|大约|左右|约|将近|来块|多块"
)
_ELSEWHERE = re.compile(
    r"(?i)\bplatform [a-z]\b|\belsewhere\b|\bother (?:site|channel|platform)|平台[A-Z]|别的平台|别处"
)
_TOTAL = re.compile(
    r"(?i)\b(?:total|altogether|all together|in all|adds? up|sum|so|makes?|comes? to)\b|一共|总共|合计"
    r"|共|加起来|总计|就是"
)
_TIMES = re.compile(r"(?i)\b(?:twice|double|both|two|three|four|five)\b|[两二三四五]|乘")
_HOW_MANY = {"twice": 2, "double": 2, "both": 2, "two": 2, "three": 3, "four": 4, "five": 5}
_HOW_MANY |= {"两": 2, "二": 2, "三": 3, "四": 4, "五": 5}
_SAID = re.compile(r"(?i)room[- ]?night|间夜")
_N = r"(\d{1,3}|[a-z]+(?:[- ][a-z]+)?)"
_ROOM_NIGHTS = re.compile(
    rf"(?i)\b{_N} rooms? (?:times|for|x|by|over|and|×) {_N} nights?,? (?:makes?|is|are|gives?|comes? to|equals?) {_N} "
    r"room[- ]?nights?\b"
    r"|((?<!\d)\d+|(?<![一二三四五六七八九十两])[一二三四五六七八九十两]+)间房?(?:[乘×x*]以?|住|，)?(\d+|[一二三四五六七八九十两]+)[晚夜][，,]?"
    r"(?:总共|一共|就是|合计|共|是|=|等于|得)*(\d+|[一二三四五六七八九十百]+)个?间夜"
)


def wrong_sum(r: Reading) -> Finding | None:
    """The first sum of the reply that does not add up; None where all do, or none is stated."""
    if "wrong_sum" not in r.memo:
        r.memo["wrong_sum"] = _wrong_sum(r)
    found: Finding | None = r.memo["wrong_sum"]
    return found


def _wrong_sum(r: Reading) -> Finding | None:
    current = r.at.maybe("current_price")
    found = _room_nights(r) if ("night" in r.text or "间夜" in r.text) and _SAID.search(r.text) else None
    if found is not None or current is None or not r.amounts:
        return found
    every = _amounts(r)
    for sentence in r.sentences if len(every) > 1 else ():
        amounts = [(v, s) for v, s in every if sentence[0] <= s[0] < sentence[1]]
        if len(amounts) < 2 or not _sizes_of_a_sum([v for v, _ in amounts], current):
            continue
        text = r.cut(sentence)
        if _ASKS.search(text):
            continue
        found = _gap(r, amounts, text, current) or _total(r, amounts, text, current)
        if found is not None:
            return found
    return None


def _sizes_of_a_sum(values: Sequence[float], current: float) -> bool:
    """Whether a change stands beside something, or a total beside a price: most sentences with amounts state no sum."""
    small = [v for v in values if 3 <= v < SMALL * current]
    prices = [v for v in values if SMALL * current <= v <= LARGE * current]
    return bool(small and (prices or len(small) > 1)) or bool(prices and max(values) > LARGE * min(prices))


# figures that the reader of prices leaves alone where nothing calls them money, but that are part of a sum here
_LOOSE = Cue(
    r"(?i)\b(?:just|only|by|less|adds? up to|comes? to|makes?|amounts? to)\s+(?:just |only "
    r"|about )?(\d{1,4})(?![\d/%:-]|[.]\d)"
    r"(?!\s*(?:nights?|rooms?|searches|guests?|days?|minutes?|hours?|people|per ?cent|more|other|of))"
    r"|(?<![\d/.:-])(\d{1,3})[ -](?:yuan |CNY )?(?:gap|difference|apart)\b"
    r"|\b(?:gap|difference|distance)\b[^.?!;\d]{0,12}\b(?:is|of|comes to|amounts to) (?:only "
    r"|just )?(\d{1,3})(?![\d/%-])"
    r"|(?<![\d/.:-])(\d{2,4}) (?:times|x) (?:two|2|both)"
    r"|(?:差|少|低|省|让|降|去|减)(?:了|掉|个)?(\d{1,3})(?:元|块)"
)


_TENS = "ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty"
# "they are twenty apart", "350 is ten below 358"
_WORDED = Cue(
    rf"(?i)\b((?:{_TENS})(?:-(?:one|two|three|four|five|six|seven|eight|nine))?) (?:yuan )?(?:apart"
    rf"|short of|(?:below|above|under"
    r"|over|less than|more than|cheaper than|dearer than|higher than|lower than) (?:the )?\d)"
    r"|差(?:了|着|出|个)?([一二三四五六七八九]?十[一二三四五六七八九]?)(?:块|元|[，。！]|$)"
)


def _amounts(r: Reading) -> list[tuple[float, Span]]:
    """The single amounts of a reply, in order; changes without their sign."""
    found = {
        (int(p.span[0]), int(p.span[1])): abs(float(p.value))
        for p in r.at.prices(r.text)
        if p.kind in ("price", "net", "delta", "approx") and isinstance(p.value, int | float)
    }
    for m in _LOOSE.finditer(r.text):
        span = m.span(m.lastindex or 0)
        if not any(a <= span[0] < b for a, b in found):
            found[span] = float(m[m.lastindex or 0])
    for m in _WORDED.finditer(r.text):
        group = m.lastindex or 0
        value = _number(m[group])
        if value is not None and not any(a <= m.start(group) < b for a, b in found):
            found[m.span(group)] = value
    return [(value, span) for span, value in sorted(found.items())]


def _pool(r: Reading, text: str, prices: Sequence[float], current: float) -> list[float]:
    """The prices that a gap of this sentence may lie between: its own, and those it only alludes to."""
    pool = list(dict.fromkeys(prices))
    if _ELSEWHERE.search(text):
        pool += [v for v in r.at.fact_values("competitor_price") if not near(v, pool)]
    if len(pool) < 2 and not near(current, pool):
        pool.append(current)
    return pool


def _gap(r: Reading, amounts: list[tuple[float, Span]], text: str, current: float) -> Finding | None:
    small = [(v, s) for v, s in amounts if 3 <= v < SMALL * current]
    prices = [v for v, _ in amounts if SMALL * current <= v <= LARGE * current]
    if not small or not prices:
        return None
    pool = _pool(r, text, prices, current)
    gaps = {abs(a - b) for a in pool for b in pool if abs(a - b) > 0.5}
    nights = r.at.maybe("nights") or 1
    allowed = {*gaps, *(g * nights for g in gaps), *(g / nights for g in gaps)}
    if not gaps or any(near(v, allowed) for v, _ in small):
        return None  # a second small amount ("38 less, 5 of it for breakfast") may be anything
    value, span = small[0]
    slack = 0.15 * value + 2 if _ROUGH.search(text) else 0.51
    if near(value, allowed, slack):
        return None
    return r.found(span, f"the gap is {min(gaps, key=lambda g: abs(g - value)):g}, not {value:g}")


def _total(r: Reading, amounts: list[tuple[float, Span]], text: str, current: float) -> Finding | None:
    said = _TIMES.search(text)
    nights = r.at.maybe("nights") or 1
    times = {float(_HOW_MANY.get(said.group().lower(), nights))} if said else {float(nights)}
    if not said and not _TOTAL.search(text):
        return None
    prices = [v for v, _ in amounts if SMALL * current <= v <= LARGE * current]
    slack = 0.03 * current if _ROUGH.search(text) else 0.51
    for value, span in amounts:
        if prices and value > LARGE * min(prices):
            rooms = (
                r.at.scenario.get("hotel", {}).get("rooms_open")
                if isinstance(r.at.scenario.get("hotel"), dict)
                else 0
            )
            many = {*times, *(t * float(rooms) for t in times if isinstance(rooms, int | float) and rooms)}
            allowed = [t * p for t in many for p in [*prices, current]]
            if not near(value, allowed, slack):
                return r.found(span, f"that makes {min(allowed, key=lambda a: abs(a - value)):g}")
    small = [(v, s) for v, s in amounts if 3 <= v < SMALL * current]
    if len(small) >= 2 and not prices and _TOTAL.search(text):
        value, span = max(small)
        rest = [v for v, _ in small if v != value]
        allowed = [*(t * v for t in times for v in rest), sum(rest)]
        if rest and value > LARGE * min(rest) and not near(value, allowed, slack):
            return r.found(span, f"that makes {allowed[0]:g}")
    return None


def _room_nights(r: Reading) -> Finding | None:
    for m in _ROOM_NIGHTS.finditer(r.text):
        rooms, nights, said = (_number(g) for g in m.groups() if g is not None)
        if rooms and nights and said and abs(rooms * nights - said) > 0.5:
            return r.found(m.span(), f"that makes {rooms * nights:g}")
    return None


def _number(text: str) -> float | None:
    """A small number in digits or words; None for any other word."""
    if text.isdigit():
        return float(text)
    if text.isascii():
        found = scan_en(text.lower())
        return float(found[0].value) if len(found) == 1 else None
    digits = "零一二三四五六七八九"
    if len(text) == 1 and text in digits + "两十":
        return {"两": 2.0, "十": 10.0}.get(text) or float(digits.index(text))
    found = scan_zh(text)
    return float(found[0].value) if len(found) == 1 else None
