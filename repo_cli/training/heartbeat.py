"""Signs of life, so that a rank that hangs can be found and named while the others wait for it. No torch.

Each rank keeps `logs/beat-N.json` in the run directory: `mark` counts places that all ranks pass in the same order
(phases, micro-batches), `time` is the last progress of any kind, `at` says where that was. SIGUSR2 makes a rank
write the stack of its threads to `logs/stack-N.txt`, even while it is stuck in a C function. The launching process
reads both (`launch/watch.py`). Nothing is watched before the first step: loading takes as long as it takes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

WRITE_EVERY_S = 0.5

_running: Heartbeat | None = None


def beat_file(run_dir: Path, rank: int) -> Path:
    return run_dir / "logs" / f"beat-{rank}.json"


def stack_file(run_dir: Path, rank: int) -> Path:
    return run_dir / "logs" / f"stack-{rank}.txt"


def beat(at: str, lockstep: bool = False) -> None:
    """Progress was made. lockstep: all ranks pass this place equally often. Does nothing in a run of one rank."""
    if _running is not None:
        _running.mark += int(lockstep)
        _running.at, _running.time = at, time.time()


class Heartbeat:
    """Started by a rank of several before its first step, stopped after its last."""

    def __init__(self, run_dir: Path, rank: int) -> None:
        self.mark, self.at, self.time = 0, "start", time.time()
        self._file, self._host = beat_file(run_dir, rank), socket.gethostname()
        self._file.parent.mkdir(exist_ok=True)
        self._stacks: Any = open(stack_file(run_dir, rank), "w", encoding="utf-8")  # noqa: SIM115
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_now_and_then, daemon=True)

    def start(self) -> Heartbeat:
        global _running
        _running = self
        faulthandler.register(signal.SIGUSR2, file=self._stacks, all_threads=True)
        self._write()
        self._thread.start()
        return self

    def stop(self) -> None:
        global _running
        if _running is self:
            _running = None
            faulthandler.unregister(signal.SIGUSR2)
        self._ended.set()
        self._thread.join(timeout=5)
        self._file.unlink(missing_ok=True)
        self._stacks.close()

    def _write_now_and_then(self) -> None:
        while not self._ended.wait(WRITE_EVERY_S):
            self._write()

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk is found by whoever has something to keep
            said = {
                "mark": self.mark,
                "at": self.at,
                "time": self.time,
                "host": self._host,
                "pid": os.getpid(),
            }
            fresh.write_text(json.dumps(said), encoding="utf-8")
            fresh.replace(self._file)
