"""Text that has gone wrong the way a small model's samples go wrong: words dropped or swapped, clauses repeated or
merged, an end cut off, another room, date or number than the brief's."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from repo_cli.worlds.hotel import names

_ZH_UNIT = re.compile(r"[0-9]+元?|[A-Za-z]+|[一-鿿]|[^\s]")
_SENTENCE = re.compile(r"[^.!?。！？]*[.!?。！？]+|[^.!?。！？]+$")


def phrasings(text: str) -> list[str]:
    """The phrasings of a phrase table's entry: one a line, or set apart by " | "."""
    return [part.strip() for line in text.split("\n") for part in line.split(" | ") if part.strip()]


def sentences(text: str) -> list[str]:
    """The sentences of a reply, stripped, end marks kept."""
    return [part.strip() for part in _SENTENCE.findall(text) if part.strip()] or [text]


def units(text: str, language: str) -> list[str]:
    """Words in English; characters, with whole numbers, in Chinese."""
    return _ZH_UNIT.findall(text) if language == "zh" else text.split()


def _join(words: list[str], language: str) -> str:
    return ("" if language == "zh" else " ").join(words)


def drop(text: str, language: str, rng: random.Random) -> str:
    """A fifth to a third of the words lost."""
    words = units(text, language)
    rate = rng.uniform(0.2, 0.35)
    kept = [word for word in words if rng.random() > rate]
    return _join(kept or words[:1], language)


def shuffle(text: str, language: str, rng: random.Random) -> str:
    """Words in a wrong order within a stretch of the reply."""
    words = units(text, language)
    start = rng.randrange(max(1, len(words) // 2))
    stretch = words[start : start + max(5, len(words) // 2)]
    rng.shuffle(stretch)
    return _join(words[:start] + stretch + words[start + len(stretch) :], language)


def repeat(text: str, language: str, rng: random.Random) -> str:
    """A short run of words said two to four times over."""
    words = units(text, language)
    size = rng.choice((1, 2, 2, 3, 4))
    start = rng.randrange(max(1, len(words) - size))
    run = words[start : start + size]
    return _join(words[:start] + run * rng.randint(2, 4) + words[start + size :], language)


def echo(text: str, language: str, rng: random.Random) -> str:
    """A whole sentence said twice."""
    found = sentences(text)
    index = rng.randrange(len(found))
    return ("" if language == "zh" else " ").join([*found[: index + 1], *found[index:]])


def merge(text: str, language: str, rng: random.Random) -> str:
    """Two sentences run into each other in the middle."""
    found = sentences(text)
    if len(found) < 2:
        return shuffle(text, language, rng)
    index = rng.randrange(len(found) - 1)
    first, second = units(found[index], language), units(found[index + 1], language)
    cut, enter = max(1, len(first) // 2), len(second) // 2
    mixed = _join(first[:cut] + second[enter:], language)
    return ("" if language == "zh" else " ").join([*found[:index], mixed, *found[index + 2 :]])


def truncate(text: str, language: str, rng: random.Random) -> str:
    """The end cut off in the middle of a sentence."""
    words = units(text, language)
    keep = max(2, int(len(words) * rng.uniform(0.3, 0.8)))
    return _join(words[:keep], language).rstrip(".!?,。！？，")


def corrupt(text: str, language: str, rng: random.Random) -> str:
    """One of the above that breaks the wording (not merely the end)."""
    return rng.choice((drop, drop, shuffle, merge, merge, repeat, echo))(text, language, rng)


def swap_number(text: str, rng: random.Random) -> str:
    """One number of three or four digits replaced by one that is near but wrong."""
    found = list(re.finditer(r"(?<![\d-])\d{3,4}(?![\d-])", text))
    if not found:
        return text
    hit = rng.choice(found)
    value = int(hit.group())
    wrong = value + rng.choice((-90, -60, -31, -17, 13, 24, 45, 80))
    return text[: hit.start()] + str(max(wrong, 101)) + text[hit.end() :]


def swap_names(text: str, scenario: Mapping[str, Any], rng: random.Random) -> str:
    """The room, the rival, the hotel or a date of the brief replaced by another one; appended when none is named."""
    zh = scenario["language"] == "zh"
    rooms = [room for group in (names.ZH_ROOMS if zh else names.EN_ROOMS).values() for room in group]
    other = rng.choice([room for room in rooms if room != scenario["room_type"]])
    date = f"{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    swaps = [(scenario["room_type"], other), (scenario["dates"][0], date), (scenario["dates"][-1], date)]
    for item in scenario["facts"]:
        if "who" in item:
            rival = rng.choice([who for who in names.RIVALS["zh" if zh else "en"] if who != item["who"]])
            swaps.append((item["who"], rival))
    swaps = [(old, new) for old, new in swaps if old in text and old != new]
    if swaps:
        return text.replace(*rng.choice(swaps))
    if zh:
        return f"{text}说的是{date}的{other}。"
    return f"{text} This is for the {other} on {date}."
