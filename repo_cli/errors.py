"""The three ways a command may end other than well, and a helper that names the nearest valid word.

Exit codes (also in the README): 0 done, 2 the user can mend it, 75 stopped by a signal with a complete checkpoint (and
so fit to be resumed), 1 anything else, a stop with nothing saved among it.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


def shown(text: str) -> str:
    """A text, parts of which come from a foreign file, as a terminal and a UTF-8 log can take it: control characters
    and halves of surrogate pairs are written out (\\x1b, \\ud800), line ends and tabs stay."""
    return "".join(
        c
        if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")
        else c.encode("unicode_escape").decode()
        for c in text
    )


class UserError(Exception):
    """Something the user can mend: one sentence that names the file, line or key; exit code 2, no traceback."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(shown(message))
        self.message = shown(message)
        self.hint = None if hint is None else shown(hint)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class SavedStop(UserError):
    """Something that the user can mend makes it useless to train on. All ranks raise it at the same place of the
    training loop, before a step's update or after the step's end; the session saves a checkpoint, and says so."""


class Stopped(Exception):
    """A signal asked for the end.

    saved: what was done lies on the disk, complete, and the run goes on from there: exit code 75. False: there was
    nothing to save yet, and the exit code is 1, so that nobody takes it for a run that can be resumed.
    hint: how it goes on, where `--resume auto` is not the way.
    """

    exit_code = 75

    def __init__(self, message: str = "", saved: bool = True, hint: str | None = None) -> None:
        super().__init__(message)
        self.saved, self.hint = saved, hint
        if not saved:
            self.exit_code = 1


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None when nothing is near enough to be worth suggesting."""
    found = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.5)
    return found[0] if found else None
