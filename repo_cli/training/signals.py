"""A polite end: the first signal asks the loop to stop at its next safe place, the second ends at once.

Where there is nothing to save any more or yet (data and models being loaded, an evaluation), `at_once` makes the first
signal raise Stopped right there; `kept` says what lies on the disk by then.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from repo_cli.errors import Stopped

ECHO_S = 5.0
SIGNALS = ("SIGTERM", "SIGINT", "SIGUSR1")


class StopFlag:
    """`with StopFlag() as stop:` ... `if stop.agreed(): save a checkpoint; raise Stopped`.

    at_once: raise Stopped from the handler itself; may be changed at any time.
    kept: a sentence on what was saved before, None = nothing yet; may be changed at any time.
    limit_s, at_limit: how long the polite end may take; after that `at_limit()` gives the exit code with which the
    process ends there and then (None = no limit).

    SIGTERM (a scheduler's end), SIGINT (Ctrl-C) and SIGUSR1 (a scheduler's warning before the end) set it.
    """

    def __init__(
        self,
        at_once: bool = False,
        limit_s: float | None = None,
        at_limit: Callable[[], int] = lambda: 1,
    ) -> None:
        self.signal: str | None = None
        self.at_once = at_once
        self.kept: str | None = None
        self.limit_s, self.at_limit = limit_s, at_limit
        self._since = 0.0
        self._timer: threading.Timer | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopFlag:
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._handle)
        for handler in self._before.values():  # what an outer flag was told counts here too
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, StopFlag) and outer.signal:
                self.signal = outer.signal
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if "SLURM_JOB_ID" in os.environ and time.monotonic() - self._since < ECHO_S:
                return  # the same notice by another way: from slurmd, and through srun
            # Not sys.exit: the loop may be inside a C++ call or a collective that will never come back.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.signal = signal.Signals(number).name
        self._since = time.monotonic()
        if self.limit_s is not None:
            self._timer = threading.Timer(self.limit_s, self._too_late)
            self._timer.daemon = True
            self._timer.start()
        if self.at_once:
            self.check()

    def _too_late(self) -> None:
        os._exit(self.at_limit())

    def check(self) -> None:
        """Raise Stopped if this rank has been asked to stop; for work of which nothing more is to be kept."""
        if self.signal is not None:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """What a stop here and now is to be told as."""
        by = self.signal or "a signal"
        if self.kept is None:
            return Stopped(f"stopped by {by}; there was nothing to save", saved=False)
        return Stopped(f"stopped by {by}; {self.kept}")

    @property
    def set(self) -> bool:
        """This rank has been asked to stop."""
        return self.signal is not None

    def agreed(self) -> bool:
        """Any rank has been asked to stop. All ranks call, at the same place of the loop."""
        from repo_cli.training import distributed as group

        return bool(group.all_max(1 if self.set else 0))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)
