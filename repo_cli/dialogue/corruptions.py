"""Ways to spoil a good reply, each a pure function of text, context and a random source; None where it
cannot.

A reward model that has never seen garbled text likes it as much as any other: these pairs teach it the floor.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# a run of anything but spaces and Chinese characters, or one Chinese character, is a word
_WORD = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
_WIDE = re.compile(r"[\u3400-\u9fff]")
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w%])")


@dataclass(frozen=True)
class Others:
    """Replies of other dialogues, from which `other_dialogue` takes one."""

    replies: Sequence[str]


Corruption = Callable[[str, random.Random, Others], str | None]


def words(text: str) -> list[str]:
    """The words of a text; each Chinese character counts as one."""
    return _WORD.findall(text)


def join(parts: Sequence[str]) -> str:
    """Words back to text: a space between two unless one of them is Chinese."""
    text = ""
    for part in parts:
        glue = "" if not text or _WIDE.match(part) or _WIDE.match(text[-1]) else " "
        text += glue + part
    return text


def shuffled(text: str, rng: random.Random, others: Others) -> str | None:
    """The same words in a random order (five or more, else the order says too little)."""
    parts = words(text)
    if len(parts) < 5:
        return None
    mixed = parts[:]
    for _ in range(5):
        rng.shuffle(mixed)
        if sum(a == b for a, b in zip(parts, mixed, strict=True)) <= len(parts) // 2:
            return join(mixed)
    return None


def other_dialogue(text: str, rng: random.Random, others: Others) -> str | None:
    """A reply of another dialogue, of about the same length (so that length tells nothing)."""
    if not others.replies:
        return None
    size = len(words(text))
    tries = [others.replies[rng.randrange(len(others.replies))] for _ in range(8)]
    return min(tries, key=lambda reply: abs(len(words(reply)) - size))


def truncated(text: str, rng: random.Random, others: Others) -> str | None:
    """Broken off after 30 to 70% of its words."""
    parts = words(text)
    if len(parts) < 6:
        return None
    keep = max(2, round(len(parts) * rng.uniform(0.3, 0.7)))
    return join(parts[:keep]).rstrip(".,!?;:。，！？") or None


def repeated(text: str, rng: random.Random, others: Others) -> str | None:
    """One stretch of two to five words said three times over."""
    parts = words(text)
    if len(parts) < 4:
        return None
    size = rng.randint(2, min(5, len(parts)))
    start = rng.randint(0, len(parts) - size)
    return join([*parts[: start + size], *parts[start : start + size] * 2, *parts[start + size :]])


def wrong_number(text: str, rng: random.Random, others: Others) -> str | None:
    """One number changed by 20 to 70%, up or down, to as round a number as it was."""
    hits = list(NUMBER.finditer(text))
    if not hits:
        return None
    hit = hits[rng.randrange(len(hits))]
    factor = 1 + rng.choice((-1, 1)) * rng.uniform(0.2, 0.7)
    value = rescaled(hit.group(), factor)
    return None if value == hit.group() else text[: hit.start()] + value + text[hit.end() :]


def rescaled(number: str, factor: float) -> str:
    """A number as text, multiplied, and rounded as the first one was: 1,200 -> 900 and 388 -> 291."""
    plain = number.replace(",", "")
    digits = len(plain.partition(".")[2])
    value = float(plain) * factor
    if digits:
        return f"{value:.{digits}f}"
    whole = int(plain)
    step = next((s for s in (1000, 100, 50, 10, 5) if whole and whole % s == 0 and whole >= 5 * s), 1)
    out = max(1, round(value / step)) * step
    return f"{out:,}" if "," in number else str(out)


CORRUPTIONS: dict[str, Corruption] = {
    "shuffled": shuffled,
    "other_dialogue": other_dialogue,
    "truncated": truncated,
    "repeated": repeated,
    "wrong_number": wrong_number,
}
