"""Which price of a reply plays which role, and which nights the reply speaks of.

A price is looked at in its own stretch of the sentence (from the price before it to the end of its clause): a
competitor's, the current one, one agreed before, one accepted now, or one asked for.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

from repo_cli.negotiation import read_prices
from repo_cli.worlds.hotel import roles_en, roles_zh


@dataclass
class PriceRoles:
    """Prices per night by role; None where the reply names none."""

    ask: float | None = None
    accept: float | None = None
    recap: float | None = None
    competitor: float | None = None
    current: float | None = None
    other: list[float] = field(default_factory=list)


class _Roles:
    def __init__(self, source: ModuleType) -> None:
        self.competitor = re.compile(source.ROLE_COMPETITOR)
        self.current = re.compile(source.ROLE_CURRENT)
        self.current_after = re.compile(source.ROLE_CURRENT_AFTER)
        self.strong = re.compile(source.ROLE_CURRENT_STRONG)
        self.ask = re.compile(source.ROLE_ASK)
        self.recap = re.compile(source.ROLE_RECAP)
        self.accept = re.compile(source.ROLE_ACCEPT)
        self.difference = re.compile(source.ROLE_DIFFERENCE)
        self.counted = re.compile(source.COUNTED)
        self.competitor_after = re.compile(source.ROLE_COMPETITOR_AFTER)
        self.decline = re.compile(source.ROLE_DECLINE)


@lru_cache(maxsize=2)
def _roles(language: str) -> _Roles:
    return _Roles(roles_en if language == "en" else roles_zh)


_SENTENCE_END = re.compile(r"[.!?。！？\n](?!\d)")
_CLAUSE_END = re.compile(r"[.,;:!?，。；：！？\n](?!\d)")


@dataclass
class _Place:
    """One price; `own` is the text from the price before it up to it, `after` the rest of its clause."""

    kind: str
    value: float
    own: str
    after: str
    sentence: str

    @property
    def question(self) -> bool:
        return self.sentence.rstrip().endswith(("?", "？")) or any(mark in self.sentence for mark in "吗")


def price_roles(
    text: str, scenario: dict[str, Any], offer: float | None, agreed: float | None, recap: bool, check: bool
) -> PriceRoles:
    """The roles of all prices in `text` (lower-cased); `recap` and `check` say what the whole reply does."""
    language, current = scenario["language"], scenario["current_price"]
    result, rx = PriceRoles(), _roles(language)
    for place in _places(text, language, current, offer, rx):
        role, value = _role(place, rx, scenario, offer, agreed, recap, check), place.value
        if role == "ask":
            result.ask = value
        elif role == "accept":
            result.accept = value
        elif role == "recap":
            result.recap = value
        elif role == "competitor":
            result.competitor = value
        elif role == "current":
            result.current = value if result.current is None else result.current
        else:
            result.other.append(value)
    if result.recap is not None and result.ask is not None and result.ask != result.recap:
        # "we said 362, would 355 be possible?" opens the price again
        result.recap = None
    if result.recap is not None and result.accept is None and agreed is None and result.recap == offer:
        result.accept = result.recap
    if (
        result.accept is not None
        and result.ask is not None
        and offer is not None
        and result.ask != result.accept
    ):
        # "365 is kind, would 355 be possible?" is an ask
        result.accept = None
    return result


def _places(text: str, language: str, current: float, offer: float | None, rx: _Roles) -> list[_Place]:
    found, places, previous = read_prices(text, language=language, current=current, offer=offer), [], 0
    for price in found:
        value = _value(price.kind, price.value, current, offer)
        if value is None:
            continue
        start, end = price.span
        sentence_start = max((m.end() for m in _SENTENCE_END.finditer(text, 0, start)), default=0)
        stop = _SENTENCE_END.search(text, end)
        sentence_end = stop.end() if stop else len(text)
        clause = _CLAUSE_END.search(text, end)
        after = text[end : clause.start() if clause else len(text)]
        own = text[max(sentence_start, previous) : start]
        previous = end
        if (
            price.kind == "price"
            and rx.counted.search(after)
            and not re.match(r"\W*(?:cny|yuan|元|块)", after)
        ):
            continue
        sentence = text[sentence_start:sentence_end]
        if price.kind in ("delta", "ratio") and not (
            rx.ask.search(sentence) or "?" in sentence or "吗" in sentence
        ):
            continue
        places.append(_Place(price.kind, value, own, after, text[sentence_start:sentence_end]))
    return places


def _value(kind: str, value: Any, current: float, offer: float | None) -> float | None:
    """The nightly price a reading stands for; the hotel takes the kinder end of a range."""
    if kind in ("price", "midpoint", "round", "net"):
        return value
    if kind in ("approx", "range"):
        return max(value) if isinstance(value, (list, tuple)) else value
    if kind == "bound":
        return value[1] if not str(value[0]).startswith("delta") else None
    if kind == "delta":
        return (offer or current) + value
    if kind == "ratio":
        return round(current * value)
    return None


def _role(
    place: _Place,
    rx: _Roles,
    scenario: dict[str, Any],
    offer: float | None,
    agreed: float | None,
    recap: bool,
    check: bool,
) -> str:
    """competitor, current, recap, accept, ask or other."""
    value, own, sentence = place.value, place.own, place.sentence
    asking = bool(rx.ask.search(own)) or place.question or bool(rx.ask.search(place.after))
    if place.kind == "net":
        return "other"
    if place.kind in ("delta", "ratio"):
        return "ask"
    if rx.competitor.search(own) or rx.competitor_after.search(place.after):
        return "competitor"
    if rx.strong.search(own) or rx.current_after.search(place.after):
        return "current"
    if value == scenario["current_price"] or (rx.current.search(own) and not asking):
        return "current"
    if rx.decline.search(own):
        return "other"
    if agreed is not None and (value == agreed or not rx.ask.search(own + place.after)):
        return "recap"
    recapping = recap or bool(rx.recap.search(sentence))
    if recapping and value == offer:
        return "recap"
    if offer is not None and rx.accept.search(own + "|" + place.after):
        if not place.question or value == offer:
            return "accept"
    if check and offer is None and not rx.ask.search(own + place.after):
        return "current"
    if asking:
        return "accept" if value == offer and not place.question else "ask"
    if value == offer:
        return "accept"
    if any(fact["type"] == "competitor_price" and fact["value"] == value for fact in scenario["facts"]):
        return "competitor"
    if recapping:
        return "recap"
    if rx.difference.search(sentence) or value > scenario["current_price"] * 1.6:
        return "other"
    return "ask" if value >= scenario["current_price"] * 0.3 else "other"


_MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_MONTH = (
    r"(jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember)?\.?"
)
_NUMERIC = re.compile(r"(?<![\d.])(\d{1,2})[-/](\d{1,2})(?![\d-])")
_ORDINAL = r"(?:st|nd|rd|th)?"
_NOT_VERB = r"(?! (?:i|we|you|be|it|not|also|help|make|well|still|the|this|that)\b)"
_DAY_FIRST = re.compile(
    rf"(?<![-/\d])(\d{{1,2}}){_ORDINAL}(?: ?(?:-|to|and|until) ?(\d{{1,2}}){_ORDINAL})?(?: of)? {_MONTH}\b{_NOT_VERB}"
)
_MONTH_FIRST = re.compile(
    rf"\b{_MONTH} (\d{{1,2}}){_ORDINAL}(?!\d)"
    rf"(?: ?(?:-|to|and|until|through) ?(?:the )?(\d{{1,2}}){_ORDINAL}\b)?(?! ?(?:cny|yuan))"
)
_ZH_DATE = re.compile(r"(\d{1,2})月(\d{1,2})(?:日|号)?(?:\s*(?:到|至|和|、|-|~)\s*(\d{1,2})(?:日|号))?")


def read_dates(text: str, scenario: dict[str, Any]) -> tuple[tuple[str, ...], bool]:
    """All dates of a reply as MM-DD, and whether one of them lies outside the nights of the brief."""
    pairs: list[tuple[int, int]] = []
    if "-" in text or "/" in text:
        pairs += [(int(m[1]), int(m[2])) for m in _NUMERIC.finditer(text)]
    if scenario["language"] == "zh" or "月" in text:
        for match in _ZH_DATE.finditer(text):
            pairs += [(int(match[1]), int(day)) for day in match.groups()[1:] if day]
    elif any(month in text for month in _MONTHS):
        for match in _DAY_FIRST.finditer(text):
            pairs += [(_MONTHS[match[3][:3]], int(day)) for day in (match[1], match[2]) if day]
        for match in _MONTH_FIRST.finditer(text):
            pairs += [(_MONTHS[match[1][:3]], int(day)) for day in (match[2], match[3]) if day]
    dates = tuple(dict.fromkeys(f"{m:02d}-{d:02d}" for m, d in pairs if 1 <= m <= 12 and 1 <= d <= 31))
    return dates, any(date not in _nights(*scenario["dates"]) for date in dates)


@lru_cache(maxsize=4096)
def _nights(first: str, last: str) -> frozenset[str]:
    """Every day from check-in to check-out; a stay may run over the end of the year."""
    month, number = first.split("-")
    day = datetime.date(2026, int(month), int(number))
    days = {first, last}
    for _ in range(40):
        days.add(f"{day:%m-%d}")
        if f"{day:%m-%d}" == last:
            break
        day += datetime.timedelta(days=1)
    return frozenset(days)
