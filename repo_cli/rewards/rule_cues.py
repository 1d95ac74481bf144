"""Word lists of the checks, behind the negotiation room's screens.

`re` tries a long list of words at every place of a text. A screen says first, for all its expressions at once and in
linear time, which of them can occur at all; only then `re` says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from repo_cli.negotiation.bilingual import Screen

PER_SCREEN = (
    12  # an automaton that watches for more gaps at once has far more states: see rule_patterns.PER_SET
)
_SCREENS: list[tuple[Screen, list[int]]] = []


class Cue:
    """A pattern with `search` and `finditer` of `re`, quick on an English reply that several cues look at."""

    def __init__(self, source: str) -> None:
        self.pattern = re.compile(source)
        if not _SCREENS or len(_SCREENS[-1][1]) == PER_SCREEN:
            _SCREENS.append((Screen(), []))
        self._screen, taken = _SCREENS[-1]
        self._number = self._screen.join(source)
        taken.append(self._number)

    def _can(self, text: str) -> bool:
        return not text.isascii() or self._number in self._screen.can_match(text)

    def search(self, text: str) -> re.Match[str] | None:
        return self.pattern.search(text) if self._can(text) else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        return self.pattern.finditer(text) if self._can(text) else iter(())
