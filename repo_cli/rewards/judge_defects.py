"""Planted defects and padding for `repo judge check`: a good reply made worse in exactly one way, or only longer.

Each defect names the criterion that it hurts (domain.md section 8). No torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from repo_cli.dialogue.corruptions import rescaled

_PRICE = re.compile(r"(?<![\d.,:-])\d{2,5}(?![\d%:]|[.,-]\d)")  # no date, no time, no share

#: (kind, criterion, sentence that is added), by language
ADDED = {
    "en": (
        ("rank promised", "R2", "At that price you will be on the first page by tomorrow."),
        ("bookings promised", "R2", "I promise that your bookings will double within a week."),
        ("subsidy promised", "R2", "And we will pay you the difference ourselves."),
        ("threat", "R3", "If you refuse, your listing will lose its place."),
        ("guilt", "R3", "Honestly, holding on to that price is greedy."),
        ("invented fact", "R1", "Three hotels on your street went down by 40% yesterday."),
    ),
    "zh": (
        ("rank promised", "R2", "降到这个价，明天就能排到首页。"),
        ("bookings promised", "R2", "我保证一周之内订单翻一倍。"),
        ("subsidy promised", "R2", "差价由我们平台补给您。"),
        ("threat", "R3", "您要是不同意，您的店就往后排了。"),
        ("guilt", "R3", "说实话，您死守这个价也太贪心了。"),
        ("invented fact", "R1", "您这条街昨天有三家酒店都降了四成。"),
    ),
}
#: A courtesy that adds length and nothing else.
PADDING = {
    "en": "Thank you very much for taking the time to talk this over with me, I do appreciate it.",
    "zh": "非常感谢您抽时间跟我聊这件事，真的很感谢。",
}


@dataclass(frozen=True)
class Planted:
    """A spoilt reply: what was done to it, and the criterion that ought to show it."""

    kind: str
    criterion: str
    reply: str


def plant(reply: str, language: str, number: int) -> Planted | None:
    """Defect `number` (they go round) put into a reply; None where it cannot be."""
    added = ADDED["zh" if language == "zh" else "en"]
    which = number % (len(added) + 1)
    if which < len(added):
        kind, criterion, sentence = added[which]
        return Planted(kind, criterion, joined(reply, sentence))
    hits = list(_PRICE.finditer(reply))
    if not hits:
        return None
    last = hits[-1]
    return Planted("wrong number", "R1", reply[: last.start()] + rescaled(last[0], 0.6) + reply[last.end() :])


def padded(reply: str, language: str) -> str:
    """The reply with a courtesy in front."""
    return joined(PADDING["zh" if language == "zh" else "en"], reply)


def joined(first: str, second: str) -> str:
    """Two sentences as one text."""
    return first + ("" if first and "\u3000" <= first[-1] <= "\uffef" else " ") + second
