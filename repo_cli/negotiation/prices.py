"""Read the prices that people say and write in a negotiation, in English and Chinese.

How it works: fold the text, mask what holds figures but is no price (masks.py), find numbers in digits and
words (numbers_en.py, numbers_zh.py), let the words around each number say what it is (cues.py), and where a
number has several readings take the one nearest to the price under discussion. One pass, linear in the text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from . import cues
from .classify import classify
from .items import Context, join_ranges
from .masks import FILL, mask
from .numbers_en import Number, scan_en
from .numbers_zh import scan_zh
from .phrases import find_phrases
from .text import fold

KINDS = ("price", "delta", "ratio", "range", "approx", "bound", "net", "midpoint", "round")
MAX_TEXT = 20000  # characters read; a reply is a few hundred

_FIGURE = re.compile(r"[0-9零〇一二两三四五六七八九十百千万幺俩仨折半整各]")
_ANY = re.compile(
    r"hundred|hundo|hunnid|grand|thousand|one|two|three|four|five|six|seven|eight|nine"
    r"|ten|eleven|twelve|teen|twenty|thirty|fort|fift|sixty|eighty|ninety|half|split|meet|mid|round|third|quarter|change|中间"
)
_CAPITALS = re.compile(cues.NAME_LEFT.pattern.removesuffix("$"))
_TRIM = re.compile(r"[\s.,!?;:。，！？；：、~…\"'()\[\]-]+")
_PARTICLES = re.compile(r"^(?:吧|吗|呢|啊|呀|嘛|了|行|please|then|ok|okay|only|flat|well|hm+|uh|um|er|so)$")


@dataclass(frozen=True, slots=True)
class Price:
    """One price expression.

    `kind` is one of KINDS and `value` what that kind means: price and net a number; delta a signed change;
    ratio a factor (None when the slang names no figure); range [low, high]; approx a number or [low, high];
    bound [operator, number]; midpoint and round the amount they come to, None without a price to start from.
    `span` is (start, end) in the text. `basis` is "night", "stay" or None; `currency` None means not said.
    """

    kind: str
    value: Any
    span: tuple[int, int]
    basis: str | None = None
    currency: str | None = None

    def amount(self, current: float | None = None) -> float | None:
        """The price that this expression comes to, given the price it starts from; None when it names none.

        A range and a span give their low end, a bound the price at the bound.
        """
        v = self.value
        if v is None:
            return None
        if self.kind == "ratio":
            return None if current is None else round(current * v)
        if self.kind == "delta":
            return None if current is None else current + v
        if self.kind == "bound":
            if v[0].startswith("delta"):
                return None if current is None else current + v[1]
            return v[1]
        return v[0] if isinstance(v, list) else v


def _usable(x: Any) -> float | None:
    """A context price as a finite positive number, else None: a bad scenario must not stop the reader."""
    if isinstance(x, bool) or not isinstance(x, (int, float)):
        return None
    return x if math.isfinite(x) and x > 0 else None


def read_prices(
    text: str, language: str | None = None, current: float | None = None, offer: float | None = None
) -> list[Price]:
    """All prices named in `text`, in reading order; [] when there is none. Never raises.

    `language` ("en", "zh" or None) is a hint only: both grammars read mixed text. `current` is the price under
    discussion and `offer` the last offer: they choose between several readings of one number and give
    "split the difference" and "round it down" their amount; they never rule out the only reading.
    """
    if not isinstance(text, str) or not text:
        return []
    return list(_read(text[:MAX_TEXT], _usable(current), _usable(offer)))


@lru_cache(maxsize=8192)
def _read(text: str, current: float | None, offer: float | None) -> tuple[Price, ...]:
    folded = fold(text)
    # capitals matter only in names ("Hotel 88"): without one, every spelling of a text shares its reading
    original = text if text != folded and _CAPITALS.search(text) else ""
    found, settled = _without_offer(folded, original, current)
    return found if settled or offer is None else _classified(folded, original, current, offer)[0]


class _Watching(Context):
    """A context that notes whether an offer could have changed the reading."""

    asked = False

    def anchors(self) -> list[float]:
        self.asked = True
        return Context.anchors(self)


@lru_cache(maxsize=8192)
def _without_offer(folded: str, original: str, current: float | None) -> tuple[tuple[Price, ...], bool]:
    """The reading when nothing was offered, and whether it is the same whatever was."""
    return _classified(folded, original, current, None)


def _classified(
    folded: str, original: str, current: float | None, offer: float | None
) -> tuple[tuple[Price, ...], bool]:
    """(prices, no offer was looked at) of a text that may hold some."""
    if not _FIGURE.search(folded) and not _ANY.search(folded):
        return (), True
    masked, whole, numbers = _scan(folded)
    ctx = _Watching(masked, original, current, offer, whole)
    found: list[Price] = []
    for item in join_ranges(numbers, ctx):
        got = classify(item, ctx)
        if got is not None:
            kind, value, start, end, basis, currency = got
            found.append(Price(kind, value, (start, end), basis, currency))
    taken = [p.span for p in found]
    for kind, value, start, end in find_phrases(folded, current, offer):
        follows = next((p for p in found if kind == "round" and 0 <= p.span[0] - end <= 4), None)
        if (
            follows
            and follows.kind == "price"
            and folded[end : follows.span[0]].strip() in ("to", "到", "at", "成")
        ):
            found.remove(follows)  # "round it down to 380" says its amount
            found.append(Price(kind, follows.value, (start, follows.span[1])))
            continue
        if all(end <= a or start >= b for a, b in taken):
            taken.append((start, end))
            found.append(Price(kind, value, (start, end)))
    found.sort(key=lambda p: p.span)
    settled = not ctx.asked and all(p.kind != "midpoint" for p in found)
    return tuple(_weekday_pairs(found, masked)), settled


@lru_cache(maxsize=4096)
def _scan(folded: str) -> tuple[str, Number | None, list[Number]]:
    """(masked text, the number that is the whole text, all numbers): what no price under discussion changes."""
    whole = _whole_number(folded)
    masked = folded if whole else mask(folded)
    return masked, whole, [whole] if whole else _numbers(masked)


def _numbers(masked: str) -> list[Number]:
    """Numbers of both grammars in order; a Chinese number that took in digits wins over the digits alone."""
    zh = scan_zh(masked)
    en = scan_en(masked)
    if not zh:
        return en
    merged = list(zh)
    ends = [(n.start, n.end) for n in zh]
    k = 0
    for n in en:
        while k < len(ends) and ends[k][1] <= n.start:
            k += 1
        if k == len(ends) or ends[k][0] >= n.end:
            merged.append(n)
    merged.sort(key=lambda n: n.start)
    return merged


def _whole_number(folded: str) -> Number | None:
    """The number when the text is nothing but one number and perhaps a unit; then even "three" is a price."""
    if len(folded) > 80:
        return None
    numbers = [n for n in _numbers(folded)]
    if len(numbers) != 1 or numbers[0].high is not None or numbers[0].vague or numbers[0].value <= 0:
        return None
    n = numbers[0]
    if n.plural:
        return None
    left = folded[: n.start]
    right = folded[n.end :]
    m = cues.CURRENCY_LEFT.search(left)
    if m:
        left = left[: m.start()]
    m = cues.CURRENCY_RIGHT.match(right)
    if m:
        right = right[m.end() :]
    for part in (left, right):
        words = [w for w in _TRIM.split(part) if w]
        if any(not _PARTICLES.match(w) for w in words):
            return None
    if left.strip() in ("-", "+"):
        return None
    if n.form == "digits" and re.search(r"[-.,/:]\s*$", left) and left.strip(" -.,/:"):
        return None
    return n


def _weekday_pairs(found: list[Price], masked: str) -> list[Price]:
    """ "350 weekdays, 400 weekends" is one answer with two ends."""
    out: list[Price] = []
    for p in found:
        prev = out[-1] if out else None
        if prev and prev.kind == p.kind == "price" and p.span[0] - prev.span[1] <= 30:
            if {_day_kind(prev, masked), _day_kind(p, masked)} == {"weekday", "weekend"}:
                low, high = sorted((prev.value, p.value))
                out[-1] = Price(
                    "range", [low, high], (prev.span[0], p.span[1]), prev.basis or p.basis, prev.currency
                )
                continue
        out.append(p)
    return out


def _day_kind(p: Price, masked: str) -> str | None:
    left = masked[max(0, p.span[0] - cues.WINDOW) : p.span[0]]
    right = masked[p.span[1] : p.span[1] + cues.WINDOW]
    if cues.WEEKEND_LEFT.search(left):
        return "weekend"
    if cues.WEEKDAY_LEFT.search(left):
        return "weekday"
    weekday, weekend = cues.WEEKDAY_RIGHT.match(right), cues.WEEKEND_RIGHT.match(right)
    if weekday and (not weekend or weekday.end() <= weekend.end()):
        return "weekday"
    return "weekend" if weekend else None


__all__ = ["KINDS", "FILL", "Price", "read_prices"]
