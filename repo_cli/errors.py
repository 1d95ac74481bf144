"""The three ways a command may end other than well, and a helper that names the nearest valid word.

Exit codes (also in the README): 0 done, 2 the user can mend it, 75 stopped by a signal with a complete
checkpoint, 1 anything else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: one sentence that names the file, line or key; exit code 2, no traceback."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class SavedStop(UserError):
    """Something that the user can mend makes it useless to train on. All ranks raise it at the same place of the
    training loop, before a step's update or after the step's end; the session saves a checkpoint, and says so."""


class Stopped(Exception):
    """A signal asked for the end; exit code 75. saved: a complete checkpoint lies on disk (False: there was nothing
    to save yet)."""

    exit_code = 75

    def __init__(self, message: str = "", saved: bool = True) -> None:
        super().__init__(message)
        self.saved = saved


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None when nothing is near enough to be worth suggesting."""
    found = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.5)
    return found[0] if found else None
