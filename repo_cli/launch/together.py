"""Stages beside each other on one machine, each forked and with its share of the CPU cores. No torch.

Models this small do not fill two cores: two steps with a thread each did 1.6 times the work of one step with two.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repo_cli.config import Config
from repo_cli.errors import Stopped
from repo_cli.launch.failures import Failure
from repo_cli.launch.forked import Forked, fork
from repo_cli.launch.processes import Rank, failure_of, product_of, what_stands
from repo_cli.launch.resume import prepare

TERMINAL = Path("logs") / "terminal.txt"  # what a stage prints that has no terminal of its own


@dataclass
class Running:
    """One started stage. Its report is read as it comes, so that no pipe fills up and no thread is needed: a process
    with threads cannot be forked again."""

    stage: str
    run_dir: Path
    process: Forked
    report: int
    text: bytes = b""
    told: bool = False

    @classmethod
    def start(cls, stage: str, cfg: Config, overrides: Sequence[str] = ()) -> Running:
        """Forks the stage into its run directory (a new one, or the one that `resume` means).

        Raises UserError where something that it needs is not there.
        """
        cfg, run_dir = prepare(cfg, overrides)
        read, write = os.pipe()
        os.set_blocking(read, False)
        try:
            process = fork(run_dir, stage, write, run_dir / TERMINAL)
        finally:
            os.close(write)
        return cls(stage, run_dir, process, read)

    def poll(self) -> Path | None:
        """None while it runs; then its product.

        Raises what the stage raised (UserError, Stopped), or RankFailed.
        """
        ended = self.process.poll() is not None
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.report, 65536):
                self.text += part
        if not ended:
            return None
        os.close(self.report)
        if self.text.strip():
            failure: Failure | None = Failure(**json.loads(self.text))
        else:
            failure = Rank(0, self.process, self.run_dir / TERMINAL).failure(self.told)
        if failure is None:
            return product_of(self.stage, self.run_dir)
        error = failure_of([failure], self.run_dir, self.told)
        raise what_stands(error, self.run_dir) if isinstance(error, Stopped) else error

    def tell(self, number: int) -> None:
        """Passes a signal on."""
        self.told = True
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it, and whatever it started, at once."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_line(self) -> str:
        """The last line that it printed."""
        with contextlib.suppress(OSError), (self.run_dir / TERMINAL).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
            return next((line.rstrip() for line in reversed(lines) if line.strip()), "")
        return ""
