"""Word lists of the checks, behind the negotiation room's screens.

`re` tries a long list of words at every place of a text. A screen says first, for all its expressions at once and in
linear time, which of them can occur at all; only then `re` says where.
"""

from __future__ import annotations

from repo_cli.negotiation.bilingual import Screen, Screened

PER_SCREEN = (
    12  # an automaton that watches for more gaps at once has far more states: see rule_patterns.PER_SET
)
_SCREENS: list[tuple[Screen, list[int]]] = []


class Cue(Screened):
    """A pattern behind the screen that it shares with those declared beside it."""

    def __init__(self, source: str) -> None:
        if not _SCREENS or len(_SCREENS[-1][1]) == PER_SCREEN:
            _SCREENS.append((Screen(), []))
        screen, taken = _SCREENS[-1]
        super().__init__(source, screen)
        taken.append(self.number)
