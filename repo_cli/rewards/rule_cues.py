"""Word lists of the checks, behind the negotiation room's screens.

`re` tries a long list of words at every place of a text. A screen says first, for all its expressions at once and in
linear time, which of them can occur at all; only then `re` says where.
"""

from __future__ import annotations

from repo_cli.negotiation.bilingual import Screen, Screened

#: An automaton that watches for more gaps at once has far more states: see rule_patterns.PER_SET.
PER_SCREEN = 12
_SCREENS: list[Screen] = []


class Cue(Screened):
    """A pattern behind the screen that it shares with those declared beside it."""

    def __init__(self, source: str) -> None:
        if not _SCREENS or len(_SCREENS[-1]) == PER_SCREEN:
            _SCREENS.append(Screen())
        super().__init__(source, _SCREENS[-1])
