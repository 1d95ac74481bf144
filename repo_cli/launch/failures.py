"""Which failures the user can mend, and how one rank tells the launching process what went wrong. No torch."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from repo_cli.errors import Stopped, UserError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # full, or a limit of this user's (quota, ulimit -f)
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
# what a rank says that only heard of another's failure, or found the other's end of a connection closed
_ECHO = re.compile(r"rank \d+ failed: |.*(?:gloo/transport/|NCCL.*(?:remote process exited|aborted))")


class RankFailed(RuntimeError):
    """A rank ended in a way that the user cannot mend; the message names it, `detail` is its traceback."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


@dataclass
class Failure:
    """What a rank reports: exit code, the sentence for the user, the traceback, and when it happened."""

    rank: int
    code: int
    message: str
    hint: str | None = None
    detail: str = ""
    time: float = 0.0
    saved: bool = True  # of a rank that was stopped: whether a checkpoint lies on disk

    @classmethod
    def of(cls, error: BaseException, rank: int, when: float) -> Failure:
        detail = "".join(traceback.format_exception(error))
        known = mendable(error)
        if known is not None:
            return cls(rank, UserError.exit_code, known.message, known.hint, detail, when)
        code = Stopped.exit_code if isinstance(error, Stopped) else 1
        saved = getattr(error, "saved", True)
        return cls(rank, code, summary(error) if code == 1 else str(error), None, detail, when, saved)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_error(self) -> Exception:
        """The exception that the launching process raises in the rank's place."""
        if self.code == UserError.exit_code:
            return UserError(self.message, hint=self.hint)
        if self.code == Stopped.exit_code:
            return Stopped(self.message, self.saved)
        return RankFailed(f"rank {self.rank} failed: {self.message}", self.detail)


def first(failures: list[Failure], asked: bool = False) -> Failure:
    """The failure that the others follow from: no echo of another rank's, and the earliest. A rank that was stopped
    counts last, unless the run was asked to stop: then the others may only have missed it in an exchange."""
    return min(
        failures,
        key=lambda f: (f.code == Stopped.exit_code and not asked, bool(_ECHO.match(f.message)), f.time),
    )


def mendable(error: BaseException) -> UserError | None:
    """The error as one that the user can mend: a UserError, a full disk, a place without permission."""
    for link in _chain(error):
        if isinstance(link, UserError):
            return link
        if isinstance(link, OSError) and link.errno in _NO_ROOM:
            return UserError(
                f"no space left on the disk{_where(link)}", hint="make room, or move runs_dir and cache_dir"
            )
        if isinstance(link, OSError) and link.errno in _NO_PERMISSION:
            return UserError(
                f"no permission to use it{_where(link)}", hint="choose another runs_dir or cache_dir"
            )
        text = str(link).lower()
        if "no space left on device" in text or "os error 28" in text:  # as safetensors and torch word it
            return UserError("no space left on the disk", hint="make room, or move runs_dir and cache_dir")
    return None


def summary(error: BaseException) -> str:
    """Type and first line of an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def write_traceback(log: Path, detail: str) -> bool:
    """Appends a traceback to a run's log; False where even that cannot be written."""
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(detail if detail.endswith("\n") else detail + "\n")
    except OSError:
        return False
    return True


def _where(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
