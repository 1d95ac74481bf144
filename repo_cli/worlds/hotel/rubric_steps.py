"""The annotator's reading of two criteria that hang on the move as a whole: is the stage's business done (R6), and are
price steps made with sense (R10). Surface cues and the public brief only, as in rubric_labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from repo_cli.worlds.hotel.reading import Reading

_DAY = re.compile(r"(?<!\d)\d{1,2}[-/]\d{1,2}(?!\d)")  # beside Chinese characters too

#: What the talk needs next -> (what a reply must bring, what makes it complete). An item is a cue's name, or one of
#: _SEEN; "a|b" is met by either.
_ITEMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "open": (("identity", "purpose"), ("question", "dates")),
    "check": (("check", "price"), ("basis", "dates")),
    "go_on": (("fact|reason", "ask|view"), ("fact", "basis|dates")),
    "soothe": (("ack|concern", "option|ask|view"), ("concern|limits|choice", "question")),
    "answer": (("answer",), ("ack", "question")),
    "counter": (("ask",), ("offer", "basis", "dates")),
    "take": (("right", "recap|accept"), ("basis", "dates", "confirm")),
    "confirm": (("right", "recap|accept"), ("basis", "dates", "confirm")),
    "closing": (("submit|recap",), ("submit|right", "thanks|wish")),
    "decider": (("decider|later",), ("question|later", "ack|thanks|wish")),
    "leave": (("leave|later|decider",), ("thanks|wish", "no_ask")),
}
_SEEN: dict[str, Callable[[Reading], bool]] = {
    "question": lambda r: r.questions > 0,
    "dates": lambda r: r.names_dates or bool(_DAY.search(r.text)),
    "price": lambda r: bool(r.prices),
    "right": lambda r: r.right_price in r.prices,
    "offer": lambda r: r.offer_named,
    "concern": lambda r: r.names_concern,
    "answer": lambda r: r.answers,
    "no_ask": lambda r: not r.has("ask"),
}


def _met(r: Reading, item: str) -> bool:
    return any(_SEEN[name](r) if name in _SEEN else r.has(name) for name in item.split("|"))


def completion(r: Reading) -> int:
    """R6: 1 nothing that the stage asks for, 2 a part of what it must have, 3 all of that, 5 all that makes it
    complete too."""
    must, more = _ITEMS[r.need]
    got = [_met(r, item) for item in must]
    if not all(got):
        return 2 if any(got) else 1
    further = [_met(r, item) for item in more]
    return 5 if all(further) else 4 if any(further) else 3


def concession(r: Reading) -> int | None:
    """R10: None where neither a price step nor a condition is on the table."""
    if r.has("giveaway", "no_consent"):
        return 1
    if r.need in ("take", "confirm", "closing"):
        return _settled(r)
    figures = [price for price in r.prices if price != r.current]
    if r.has("accept", "recap") and figures and figures[-1] > r.limit:
        return 1  # more than the platform can take
    if not (r.has("ask") and figures):
        return 4 if r.has("option") else 2 if r.need == "counter" else None
    asked, before = figures[-1], max(r.state.agent_prices, default=0.0)
    if not r.floor <= asked <= r.limit or asked < before:
        return 1
    if asked == before or r.need in ("leave", "decider"):
        return 2  # the same ask once more, or one that nobody can answer
    tied, exact = r.has("option", "choice"), r.has("basis") and _met(r, "dates")
    return 3 + tied + exact


def _settled(r: Reading) -> int:
    """A price is agreed, or only waits to be taken: it must be taken up as it is."""
    if r.has("ask") and not r.has("recap", "accept"):
        return 1
    if not r.prices:
        return 4 if r.has("submit") else 2
    if r.right_price not in r.prices:
        return 1
    if not r.has("recap", "accept", "submit"):
        return 3
    return 5 if _met(r, "dates") or r.has("basis", "submit") else 4
