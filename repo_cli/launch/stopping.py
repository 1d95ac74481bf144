"""Signals of a process that looks after others: they are passed on. No torch."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

ECHO_S = 5.0  # Slurm's notice comes several ways: from slurmd, from the batch script, through srun
STOP_SLACK_S = 10.0  # beyond launch.stop_s, after which a rank ends by itself
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@contextlib.contextmanager
def passed_on(tell: Callable[[int], object], echo_s: float = 0.0) -> Iterator[list[float]]:
    """Calls `tell(signal)` for each SIGTERM, SIGINT and SIGUSR1; yields the times at which they came.

    echo_s: a further one within so many seconds is the same notice by another way, and passed over.
    """
    asked: list[float] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def forward(number: int, _frame: object) -> None:
        now = time.monotonic()
        if not asked or now - asked[-1] >= echo_s:
            asked.append(now)
            tell(number)

    before = {number: signal.signal(number, forward) for number in NUMBERS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
