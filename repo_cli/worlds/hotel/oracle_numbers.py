"""Numbers in a reply as the oracle reads them: prices, dates, counts, percentages, each with its clause.

Dates, times, percentages and counts are read first and blanked, so that what is left of the digits is money. A
price is never looked for in the hotel's or the room's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_MONTHS = {
    m: i + 1
    for i, m in enumerate(
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
    )
}  # fmt: skip
_MONTH = r"(?:" + "|".join(f"{m}|{m[:3]}" for m in _MONTHS) + r")"
_TO = r"\s*(?:to|until|till|through|and|or|-|\u2013|\u2014|&|,)\s*"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATES_EN = (
    re.compile(rf"\b({_DAY})(?:st|nd|rd|th)?{_TO}(?:the )?({_DAY})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b"),
    re.compile(rf"\b(?:the )?({_DAY})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b"),
    re.compile(rf"\b({_MONTH})\.? ({_DAY})(?:st|nd|rd|th)?{_TO}(?:the )?({_DAY})(?:st|nd|rd|th)?\b(?! ?(?:yuan|cny|\d|-\d))"),
    re.compile(rf"\b({_MONTH})\.? ({_DAY})(?:st|nd|rd|th)?\b(?! ?(?:yuan|cny))"),
)  # fmt: skip
_DATE_NUMERIC = re.compile(
    r"(?<![\d.])(0?[1-9]|1[0-2])\s?[-/]\s?(0[1-9]|[12]\d|3[01]|[1-9])(?!\d|\.\d|-\d)(?! ?(?:yuan|cny|元))"
)
_DATES_ZH = (
    re.compile(r"(\d{1,2})月(\d{1,2})[日号]?(?:\s*(?:到|至|和|、|-|—|~|及|跟)\s*(?:(\d{1,2})月)?(\d{1,2})[日号])?"),
    re.compile(r"(?<![\d月])(\d{1,2})[日号]"),
)  # fmt: skip
_TIME = re.compile(
    r"\b\d{1,2}(?::\d{2})? ?(?:am|pm|o'clock)\b|\b\d{1,2}:\d{2}\b|\d{1,2}点(?:\d{1,2}分|半)?|\b(?:after|before|at|by|around) \d{1,2}\b(?! ?(?:yuan|cny|%))|24/7|\b20\d\d\b(?=年| ?[,.])"
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent\b|per cent\b|％|个点)|百分之(\d+)")
_COUNT = re.compile(
    r"(\d+)\s*(?:more |other |different |extra |open |free |unsold |empty |such )*(searches|search|views?|guests?|travell?ers?|people|bookings?|requests?|times|visits?|visitors?|"
    r"rooms?|look(?:ed|s|ing)?|users?|customers?|reservations?|orders?|stars?|reviews?|minutes?|hours?|days?|weeks?|months?|persons?|floors?)\b"
    r"|(\d+)\s*(次搜索|次|人|位|单|间夜|间|条|个订单|分钟|小时|天|晚|星|分|周)"
)
_TRIVIAL = re.compile(r"minute|hour|day|week|month|star|floor|分钟|小时|天|星|分|周|晚")
_NIGHTS = re.compile(r"(\d+)\s*(?:nights?|晚)")
_NUMBER = re.compile(r"(?<![A-Za-z\d.])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?![A-Za-z]*\d)")
_CLAUSE = re.compile(
    r"[.?!;\n](?!\d)|[。？！；，：]|[,:](?!\d{3})|\s[\u2013\u2014-]\s|\b(?:against|versus|while|vs|but|than|compared|whereas|and|so)\b|而|比|但|跟"
)
_SENTENCE_END = re.compile(r"[.?!\n](?!\d)|[。？！]")
_CURRENCY = re.compile(
    r"\$|€|£|\bdollars?\b|\beuros?\b|\bpounds?\b|\busd\b|\beur\b|\bgbp\b|美元|欧元|英镑|美金"
)
_MONEY_BEFORE = re.compile(r"(?:¥|￥|cny|rmb)\s*$")
_MONEY_AFTER = re.compile(r"^\s*(?:yuan|cny|rmb|元|块|¥|￥|per night|a night|/)")


@dataclass(frozen=True)
class Figure:
    """A price in a text: its value, the clause and the sentence it stands in, whether a unit stands by it."""

    value: float
    start: int
    clause: str
    sentence: str
    unit: bool


@dataclass(frozen=True)
class Numbers:
    """All numbers of a text. `dates` are (month or 0, day); `percents` are (value, sentence); `counts` are
    (number, thing)."""

    figures: tuple[Figure, ...]
    dates: tuple[tuple[int, int], ...]
    percents: tuple[tuple[float, str], ...]
    counts: tuple[tuple[int, str], ...]
    foreign_currency: bool


def _month(name: str) -> int:
    return next(i for m, i in _MONTHS.items() if m.startswith(name[:3]))


@lru_cache(maxsize=65536)
def read_numbers(text: str) -> Numbers:
    """Reads `text` (lower-cased for English); see the module's docstring for the order."""
    blank = list(text)
    dates: list[tuple[int, int]] = []

    def wipe(match: re.Match[str]) -> None:
        for i in range(match.start(), match.end()):
            blank[i] = " "

    if any(c.isdigit() for c in text):
        _read_dates(text, blank, dates, wipe)
    rest = "".join(blank)
    for match in _TIME.finditer(rest):
        wipe(match)
    rest = "".join(blank)
    percents = []
    for match in _PERCENT.finditer(rest):
        percents.append(
            (float(match.group(1) or match.group(2)), _piece(text, match.start(), match.end(), _SENTENCE_END))
        )
        wipe(match)
    rest = "".join(blank)
    counts = []
    for match in _COUNT.finditer(rest):
        number, thing = match.group(1) or match.group(3), match.group(2) or match.group(4)
        if not (_TRIVIAL.search(thing) or (int(number) > 150 and thing.startswith("room"))):
            counts.append((int(number), thing))
        if not (thing.startswith("room") and int(number) > 150):
            wipe(match)
    rest = _NIGHTS.sub(
        lambda m: m.group(0) if int(m.group(1)) > 60 else " " * len(m.group(0)), "".join(blank)
    )
    return Numbers(
        tuple(_figures(text, rest)),
        tuple(dates),
        tuple(percents),
        tuple(counts),
        bool(_CURRENCY.search(text)),
    )


def _read_dates(text: str, blank: list[str], dates: list[tuple[int, int]], wipe) -> None:
    ranged, single, month_range, month_single = _DATES_EN
    for match in ranged.finditer("".join(blank)):
        month = _month(match.group(3))
        dates += [(month, int(match.group(1))), (month, int(match.group(2)))]
        wipe(match)
    for match in month_range.finditer("".join(blank)):
        month = _month(match.group(1))
        dates += [(month, int(match.group(2))), (month, int(match.group(3)))]
        wipe(match)
    for match in single.finditer("".join(blank)):
        dates.append((_month(match.group(2)), int(match.group(1))))
        wipe(match)
    for match in month_single.finditer("".join(blank)):
        dates.append((_month(match.group(1)), int(match.group(2))))
        wipe(match)
    for match in _DATES_ZH[0].finditer("".join(blank)):
        month = int(match.group(1))
        dates.append((month, int(match.group(2))))
        if match.group(4):
            dates.append((int(match.group(3) or month), int(match.group(4))))
        wipe(match)
    for match in _DATE_NUMERIC.finditer("".join(blank)):
        dates.append((int(match.group(1)), int(match.group(2))))
        wipe(match)
    for match in _DATES_ZH[1].finditer("".join(blank)):
        dates.append((0, int(match.group(1))))
        wipe(match)
    for match in re.finditer(r"\bthe (\d{1,2})(?:st|nd|rd|th)\b", "".join(blank)):
        dates.append((0, int(match.group(1))))
        wipe(match)


def _figures(text: str, rest: str) -> list[Figure]:
    figures = []
    for match in _NUMBER.finditer(rest):
        value = float(match.group(1).replace(",", ""))
        unit = bool(
            _MONEY_AFTER.match(rest[match.end() : match.end() + 12])
            or _MONEY_BEFORE.search(rest[max(0, match.start() - 5) : match.start()])
        )
        if value < 10 and not unit:
            continue
        clause = _piece(text, match.start(), match.end(), _CLAUSE)
        sentence = _piece(text, match.start(), match.end(), _SENTENCE_END, keep_end=True)
        figures.append(Figure(value, match.start(), clause, sentence, unit))
    return figures


def _piece(text: str, start: int, end: int, boundary: re.Pattern[str], keep_end: bool = False) -> str:
    """The part of `text` around [start, end) up to the nearest boundaries."""
    begin = 0
    for match in boundary.finditer(text, 0, start):
        begin = match.end()
    after = boundary.search(text, end)
    stop = len(text) if after is None else (after.end() if keep_end else after.start())
    return text[begin:stop]
