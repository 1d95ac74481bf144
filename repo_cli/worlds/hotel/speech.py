"""The hotelier's voice: one phrasing of an intent, prices said the way people say them."""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random
from typing import Any

from repo_cli.negotiation import read_prices
from repo_cli.worlds.hotel import phrases_en, phrases_zh

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_DIGITS = "零一二三四五六七八九"

_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")

#: Intents that may be coloured by the mood of the speaker.
_COLOURED = ("obj.", "refuse", "counter", "maybe", "how_much", "go_ahead", "what_now")


@lru_cache(maxsize=2)
def bank(language: str) -> dict[str, tuple[str, ...]]:
    """All phrasings by intent."""
    text = phrases_en.TEXT if language == "en" else phrases_zh.TEXT
    return {
        intent: tuple(p.strip() for line in block.splitlines() for p in line.split("|") if p.strip())
        for intent, block in text.items()
    }


def say(intent: str, rng: Random, scenario: dict[str, Any], price: float | None = None, **slots: Any) -> str:
    """One phrasing of `intent` with its slots filled; `price` is said aloud in the slot {p}."""
    language, hidden = scenario["language"], scenario["hotel_hidden"]
    phrases = bank(language)
    template = rng.choice(phrases[intent])
    first, last = scenario["dates"]
    source = phrases_en if language == "en" else phrases_zh
    values = {
        "cur": scenario["current_price"], "d1": first, "d2": last, "room": scenario["room_type"],
        "when": rng.choice(source.WHEN), "boss": rng.choice(source.BOSS), **slots,
    }  # fmt: skip
    colloquial = rng.random() < (0.6 if hidden["style"] == "colloquial" else 0.2)
    if "{p}" in template and price is not None:
        values["p"] = _spoken(price, language, rng) if colloquial else _plain(price, language, rng)
        text = _capital(template.format(**values))
        if colloquial and _heard(text, language, scenario["current_price"]) != price:
            values["p"] = _plain(price, language, rng)
            text = _capital(template.format(**values))
    else:
        text = _capital(template.format(**{"p": price, **values}))
    if intent.startswith(_COLOURED) and rng.random() < 0.15:
        text = _join(rng.choice(phrases[f"mood.{hidden['mood']}"]), text)
    return text


def wrap(intent: str, text: str, rng: Random, language: str) -> str:
    """`text` inside a phrase of `intent` that has the slot {text}."""
    return _join(rng.choice(bank(language)[intent]), text)


def _join(template: str, text: str) -> str:
    after_comma = template.split("{text}")[0].rstrip().endswith((",", ":"))
    if after_comma and not text.startswith(("I ", "I'", "CNY")):
        text = text[0].lower() + text[1:]
    return template.replace("{text}", text)


def _capital(text: str) -> str:
    """Capitals at the start and after a full stop, where a slot may stand."""
    return _SENTENCE_START.sub(lambda match: match.group().upper(), text)


@lru_cache(maxsize=65536)
def _heard(text: str, language: str, current: float) -> float | None:
    """The last price that the shared reader hears in a text."""
    found = [price.value for price in read_prices(text, language=language, current=current)]
    return found[-1] if found else None


def _plain(price: float, language: str, rng: Random) -> str:
    if language == "en":
        return rng.choice((f"{price}", f"{price}", f"{price} CNY", f"{price} a night"))
    return rng.choice((f"{price}", f"{price}", f"{price}元", f"{price}块"))


def _spoken(price: float, language: str, rng: Random) -> str:
    value = int(price)
    if not 0 < value < 10_000:  # nobody says such a figure in words; an agent may have named any
        return _plain(price, language, rng)
    return rng.choice(_spoken_en(value)) if language == "en" else rng.choice(_spoken_zh(value))


def _two_digits(value: int) -> str:
    if value < 20:
        return _ONES[value]
    return _TENS[value // 10] + (f"-{_ONES[value % 10]}" if value % 10 else "")


def _spoken_en(value: int) -> list[str]:
    """388 -> three eighty-eight, three hundred and eighty-eight; 1080 -> ten eighty."""
    high, low = divmod(value, 100)
    if value < 100:
        return [_two_digits(value)]
    if low == 0:
        return [f"{_two_digits(high)} hundred"] if high % 10 else [f"{_ONES[high // 10]} thousand"]
    head = _two_digits(high)
    short = f"{head} oh {_ONES[low]}" if low < 10 else f"{head}-{_two_digits(low)}" if low % 10 == 0 else ""
    long = f"{head} hundred and {_two_digits(low)}"
    return (
        [short or f"{head} {_two_digits(low)}", long]
        if value < 1000
        else [short or f"{head} {_two_digits(low)}"]
    )


def _spoken_zh(value: int) -> list[str]:
    """388 -> 三百八十八; 360 -> 三百六; 1200 -> 一千二; 308 -> 三百零八."""
    full = _full_zh(value)
    if value % 10 == 0 and value % 100 and 100 < value < 1000:
        return [full[:-1], full[:-1] + "块"[:0], full]
    if value % 100 == 0 and value % 1000 and value > 1000:
        return [full[:-1], full]
    return [full]


def _full_zh(value: int) -> str:
    text, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // unit % 10
        if digit:
            text += ("零" if zero and text else "") + _DIGITS[digit] + name
            zero = False
        elif text:
            zero = True
    return text
