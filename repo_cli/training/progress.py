"""Progress with the time left: a rich bar on a terminal, plain lines now and then anywhere else. No torch."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Any

PLAIN_EVERY_S = 10.0


class StepProgress:
    """`with StepProgress("rl", total) as p: p.advance(loss=0.3)`; active=False (other ranks) shows nothing.

    done: steps already behind (a resumed run); they do not count into the speed.
    """

    def __init__(
        self, label: str, total: int, done: int = 0, active: bool = True, stream: Any = None
    ) -> None:
        self.label, self.total, self.done, self.active = label, total, done, active
        self.stream = stream or sys.stderr
        # (when, steps done) after the last advances: how long a step takes, however many come at once
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), done)], maxlen=33)
        self._last_line = 0.0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> StepProgress:
        if self.active and self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left {task.fields[left]}"),
                TextColumn("{task.fields[stats]}"),
            )
            self._bar = Progress(*columns, console=Console(file=self.stream), transient=False)
            self._bar.start()
            self._task = self._bar.add_task(
                self.label, total=self.total, completed=self.done, left="?", stats=""
            )
        return self

    def advance(self, steps: int = 1, **stats: Any) -> None:
        """`steps` more are done; stats are shown beside the bar."""
        self.done += steps
        now = time.monotonic()
        self._seen.append((now, self.done))
        if not self.active:
            return
        text = "  ".join(f"{k} {_short(v)}" for k, v in stats.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, left=clock(self.seconds_left()), stats=text)
        elif now - self._last_line >= PLAIN_EVERY_S or self.done >= self.total or self._last_line == 0.0:
            self._last_line = now
            left = clock(self.seconds_left())
            print(
                f"{self.label} {self.done}/{self.total}  left {left}  {text}".rstrip(),
                file=self.stream,
                flush=True,
            )

    def seconds_left(self) -> float | None:
        """From the mean of the last steps; None before the first."""
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        if done <= before:
            return None
        return (now - began) / (done - before) * max(0, self.total - done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def clock(seconds: float | None) -> str:
    """75 -> 1:15; 3700 -> 1:01:40; None -> ?"""
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
