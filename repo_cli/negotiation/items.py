"""Numbers with their units, and pairs of numbers that form a range: what classify.py then gives a meaning."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from . import cues
from .cues import WINDOW
from .numbers_en import Number, plain


@dataclass(slots=True)
class Context:
    """What the readers share: masked and original text, the prices under discussion, the lone number if any."""

    text: str
    original: str
    current: float | None
    offer: float | None
    whole: Number | None

    def left(self, i: int) -> str:
        return self.text[max(0, i - WINDOW) : i]

    def right(self, i: int) -> str:
        return self.text[i : i + WINDOW]

    def anchors(self) -> list[float]:
        return [x for x in (self.offer, self.current) if x]


@dataclass(slots=True)
class Item:
    """A number with its unit: [start, end) covers both. `low` and `high` differ for a range."""

    number: Number
    start: int
    end: int
    low: float
    high: float | None
    currency: str | None
    has_unit: bool
    basis: str | None = None


def _pick(n: Number, ctx: Context) -> float:
    """Of several readings the one nearest (in ratio) to a price under discussion; the usual one without any."""
    if (
        not n.others
    ):  # anchors are asked for only where they matter: a reading without them is kept for all offers
        return n.value
    anchors = ctx.anchors()
    if not anchors:
        return n.value
    readings = [v for v in (n.value, *n.others) if v > 0]
    return min(readings, key=lambda v: min(abs(math.log(v / a)) for a in anchors))


def _with_unit(n: Number, ctx: Context) -> Item:
    start, end = n.start, n.end
    currency, has_unit = None, False
    left = ctx.left(start)
    m = cues.CURRENCY_LEFT.search(left)
    said = ""
    if m:
        start -= len(left) - m.start()
        has_unit, said = True, m.group()
    right = ctx.right(end)
    m = cues.CURRENCY_RIGHT.match(right)
    if m:
        end += m.end()
        has_unit, said = True, said + m.group()
    if said:
        currency = "CNY"
        for code, pattern in cues.FOREIGN.items():
            if pattern.search(said):
                currency = code
    value = _pick(n, ctx)
    if m and m.group().strip() in ("块", "元") and n.high is None and value == int(value):
        cents = re.match(
            r"[一二三四五六七八九1-9](?![零一二三四五六七八九十百千万0-9间晚夜天个位折成次])", ctx.right(end)
        )
        if cents:  # 三百八十块五
            value = plain(value + "零一二三四五六七八九0123456789".index(cents.group()) % 10 / 10)
            end += 1
    item = Item(n, start, end, value, n.high, currency, has_unit)
    return item


_TO = re.compile(r"\s?(?:-|~|to|till|until|up to|到|至|--)\s?")
_AND = re.compile(r"\s?(?:and|和|跟|与|&)\s?")
_OR = re.compile(r" (?:or|to) ")
_BETWEEN = re.compile(r"\bbetween\s*$|\banywhere (?:from|between)\s*$")
_MOVE = re.compile(
    r"(?:\b(?:lower|reduce|drop|move|cut|bring|change|adjust|raise|increase|go|come|take|update|switch|set)\w*\b[^.;!?]{0,24}"
    r"\bfrom|原来|原价|把|将)\s*$"
)


def _range_of(a: Item, b: Item, ctx: Context) -> tuple[float, float] | None:
    """The two ends when items a and b are joined as a range, else None."""
    gap = ctx.text[a.end : b.start]
    if len(gap) > 8 or a.high is not None or b.high is not None:
        return None
    left = ctx.left(a.start)
    low, high = a.low, b.low
    small_or = bool(_OR.fullmatch(gap)) and low < 10 and b.number.scale in (100, 1000)
    between = bool(_AND.fullmatch(gap)) and bool(_BETWEEN.search(left))
    zh_between = bool(_AND.fullmatch(gap)) and ctx.right(b.end)[:2] in ("之间", "中间")
    if not (_TO.fullmatch(gap) or between or zh_between or small_or):
        return None
    if _MOVE.search(left):
        return None
    if low < 10 <= high and b.number.scale > 1:  # three to four hundred, 三到四百
        low *= b.number.scale
    elif high < low and high < 100 <= low and low // 100 * 100 + high > low:  # 350-80
        high = low // 100 * 100 + high
    elif high < low and high < 10 and a.number.form == "zh" and low % 100 and low < 1000:  # 三百二到六
        high = low // 100 * 100 + high * 10
    if not (0 < low < high):
        return None
    if not (a.has_unit or b.has_unit or low >= 30 or cues.PERCENT.match(ctx.right(b.end))):
        return None
    return plain(low), plain(high)


def join_ranges(numbers: list[Number], ctx: Context) -> list[Item]:
    """Numbers with their units, pairs that form a range made into one item."""
    items = [_with_unit(n, ctx) for n in numbers]
    out: list[Item] = []
    i = 0
    while i < len(items):
        a = items[i]
        if i + 1 < len(items):
            b = items[i + 1]
            ends = _range_of(a, b, ctx)
            if ends is not None:
                # "30-50 less", "10-15% off": only the shared tail tells; the plain range is decided in classify
                joined = Item(b.number, a.start, b.end, ends[0], ends[1], a.currency or b.currency, True)
                joined.has_unit = a.has_unit or b.has_unit
                out.append(joined)
                i += 2
                continue
        out.append(a)
        i += 1
    return out
