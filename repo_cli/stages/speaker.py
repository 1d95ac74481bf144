"""How a run speaks to people: lines, tables, warnings and progress bars, in terminal and log. Rank 0 only."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from repo_cli.training.heartbeat import beat
from repo_cli.training.progress import StepProgress
from repo_cli.training.tracking import Tracker

log = logging.getLogger("repo")


class Speaker:
    """The voice of a Session, which sets the three below."""

    console: Console
    is_main: bool
    tracker: Tracker

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int, int], None]]:
        """A progress bar for long work outside the training loop; call with (done, total)."""
        with StepProgress(label, total, active=self.is_main) as bar:

            def advance(done: int, _total: int) -> None:
                beat(label)
                if done > bar.done:
                    bar.advance(done - bar.done)

            yield advance

    def note(self, text: str) -> None:
        """A line for people: terminal and log."""
        if self.is_main:
            log.info(text)
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, table: Any) -> None:
        """A rich table for people: terminal and log."""
        if self.is_main:
            self.console.print(table)
            plain = Console(width=120, file=io.StringIO(), record=True)
            plain.print(table)
            log.info("\n%s", plain.export_text())

    def alarm(self, text: str) -> None:
        """Something that looks wrong: terminal, log and tracker."""
        self.tracker.alarm(text)
        if self.is_main:
            self.console.print(
                f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True
            )
