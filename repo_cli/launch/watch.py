"""Finds the rank that hangs while the others wait for it, from the signs of life in the run directory. No torch.

The launching process looks (`Watch`). Under torchrun or a bare srun there is none of ours: each rank looks for itself
(`look_from_inside`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repo_cli.launch.failures import RankFailed, write_traceback
from repo_cli.training.heartbeat import beat_file, stack_file

LOOK_EVERY_S = 1.0
STACKS_S = 1.5  # how long the ranks may take to write their stacks
OTHERS_S = 20.0  # so much later than rank 0 do the others speak up, in case it is rank 0 that hangs
#: A rank whose stack shows these near its top is waiting for the others, not hanging.
WAITING = re.compile(r"torch/distributed/|deepspeed/(?:comm|utils/torch)/?")
TOP = 12  # frames


@dataclass(frozen=True)
class Beat:
    """What a rank last said: how far it is, where, and when (seconds since the epoch); its process."""

    rank: int
    mark: int
    at: str
    time: float
    host: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Hang:
    """The ranks that hang (all of them where none stands out), for how long, and the stacks for the log."""

    ranks: list[int]
    message: str
    stacks: str


class Watch:
    """`look()` now and then; a Hang when no rank made progress for `limit_s` (0: never)."""

    def __init__(
        self, run_dir: Path, ranks: int, limit_s: float, ask: Callable[[int], None], fresh: bool = True
    ) -> None:
        """ask(signal): sends it to every rank. fresh: no rank has begun, so what lies there is of a run before."""
        self.run_dir, self.ranks, self.limit_s, self.ask = run_dir, ranks, limit_s, ask
        self._looked = 0.0
        for rank in range(ranks if fresh else 0):
            beat_file(run_dir, rank).unlink(missing_ok=True)

    def look(self) -> Hang | None:
        now = time.monotonic()
        if not self.limit_s or now - self._looked < LOOK_EVERY_S:
            return None
        self._looked = now
        beats = [beat for rank in range(self.ranks) if (beat := read_beat(self.run_dir, rank))]
        # before all have begun and once the first has ended there is nothing to compare
        if len(beats) < self.ranks or time.time() - max(beat.time for beat in beats) < self.limit_s:
            return None
        self.ask(signal.SIGUSR2)
        time.sleep(STACKS_S)
        stacks = {beat.rank: _stack(self.run_dir, beat.rank) for beat in beats}
        return name_the_hung(beats, stacks, time.time())


def look_from_inside(run_dir: Path, rank: int, ranks: int, limit_s: float) -> None:
    """Starts a thread of this rank that names a hung rank and ends this one, whose launcher then ends the others."""
    if not limit_s or ranks < 2:
        return

    def ask(number: int) -> None:
        for other in range(ranks):
            beat = read_beat(run_dir, other)
            if beat and beat.pid and beat.host == socket.gethostname():
                with contextlib.suppress(OSError):
                    os.kill(beat.pid, number)

    watch = Watch(run_dir, ranks, limit_s + (OTHERS_S if rank else 0.0), ask, fresh=False)

    def look() -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            hang = watch.look()
            if hang:
                write_traceback(run_dir / "log.txt", hang.stacks)
                print(
                    f"failed: {hang.message}; where each rank stood: {run_dir / 'log.txt'}",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)

    threading.Thread(target=look, name="watch", daemon=True).start()


def raise_hang(hang: Hang, run_dir: Path) -> None:
    """Stacks to the log, the hung rank in front; then the failure that names it."""
    write_traceback(run_dir / "log.txt", hang.stacks)
    error = RankFailed(hang.message, hang.stacks)
    error.add_note(f"where each rank stood: {run_dir / 'log.txt'}")
    raise error


def read_beat(run_dir: Path, rank: int) -> Beat | None:
    try:
        data = json.loads(beat_file(run_dir, rank).read_text(encoding="utf-8"))
        place = str(data.get("host", "")), int(data.get("pid", 0))
        return Beat(rank, int(data["mark"]), str(data["at"]), float(data["time"]), *place)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def name_the_hung(beats: list[Beat], stacks: dict[int, str], now: float) -> Hang:
    """The ranks that do not wait for others; among equals those that came least far."""
    suspects = [beat for beat in beats if not WAITING.search(_top(stacks.get(beat.rank, "")))] or beats
    least = min(beat.mark for beat in suspects)
    hung = [beat for beat in suspects if beat.mark == least]
    names = " and ".join(str(beat.rank) for beat in hung)
    seconds = now - max(beat.time for beat in beats)
    what = "ranks" if len(hung) > 1 else "rank"
    message = f"{what} {names} made no progress for {seconds:.0f} s (last seen at: {hung[0].at})"
    order = [beat.rank for beat in hung] + [beat.rank for beat in beats if beat not in hung]
    text = "\n".join(f"--- rank {rank}, where it stood ---\n{stacks.get(rank, '')}" for rank in order)
    return Hang([beat.rank for beat in hung], message, text)


def _stack(run_dir: Path, rank: int) -> str:
    file = stack_file(run_dir, rank)
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _top(stack: str) -> str:
    """The innermost frames of the main thread, which faulthandler writes last."""
    return "\n".join(stack.strip().split("\n\n")[-1].splitlines()[: TOP + 1])
