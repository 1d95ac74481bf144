"""Where a run of scripts/kill_test.py dies, and the judge's endpoint that kills the one who asks.

`arm` is called in the process that is to die, before the run begins; the real functions run on until then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "KILL_TEST_KEY"  # the judge's key says who asks: "live", or "die-PID-CALL-LAUNCHER"
#: In the middle of the work; those of a checkpoint write; and the rest.
WORK = {
    "sft": ["update"],
    "dpo": ["update"],
    "train_rm": ["update"],
    "rl": ["generation", "judge call", "update"],
    "sample": ["generation", "judge call"],
}
WEIGHTS = ["half the weights", "half the optimizer", "random numbers"]
WRITES = ["half the state", "before the marker", "half a marker", "before the rename", "after the rename"]
OTHERS = ["clock", "metrics line", "pruning", "final/"]
#: Those that any rank passes; the others are rank 0's.
EVERY_RANK = {"generation", "judge call", "update", "half the optimizer", "random numbers", "clock"}


@dataclass(frozen=True)
class Kill:
    """moment: one of the above; call: the how-manieth time; delay: seconds, for the clock; whole: with the launching
    process, not the rank alone."""

    moment: str
    call: int = 1
    delay: float = 0.0
    rank: int = 0
    whole: bool = False


def moments_of(stage: str) -> tuple[list[str], list[str], list[str]]:
    """(in the work, in a checkpoint write, others) of a stage."""
    return WORK[stage], ([] if stage == "sample" else WEIGHTS) + WRITES, OTHERS


def arm(kill: Kill, launcher: int | None) -> None:
    """When the run comes to that moment for the `call`-th time, it is dead; so is its launching process, if given."""

    def die() -> None:
        if launcher:
            os.kill(launcher, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def counted() -> Callable[[], bool]:
        seen: list[int] = []

        def now() -> bool:
            seen.append(1)
            return len(seen) == kill.call

        return now

    def before(owner: Any, name: str, when: Callable[..., bool] = lambda *a, **k: True) -> None:
        """Die instead of the `call`-th call of a function for which `when` holds."""
        real, now = getattr(owner, name), counted()

        def wrapped(*given: Any, **named: Any) -> Any:
            if when(*given, **named) and now():
                die()
            return real(*given, **named)

        setattr(owner, name, wrapped)

    def halfway(owner: Any, name: str, file: Callable[..., Path | None]) -> None:
        """Die after the `call`-th call, when half of the file that it has written is on the disk."""
        real, now = getattr(owner, name), counted()

        def wrapped(*given: Any, **named: Any) -> Any:
            found = real(*given, **named)
            path = file(*given, **named)
            if path is not None and now():
                os.truncate(path, path.stat().st_size // 2)
                die()
            return found

        setattr(owner, name, wrapped)

    moment = kill.moment
    if moment == "judge call":  # the endpoint does it, while the request is on its way
        os.environ[KEY] = f"die-{os.getpid()}-{kill.call}-{launcher or 0}"
        return
    if moment == "clock":
        timer = threading.Timer(kill.delay, die)
        timer.daemon = True
        timer.start()
        return
    import safetensors.torch
    import torch

    import repo_cli.rollout.engine as rollout
    import repo_cli.stages.session_saving as saving
    from repo_cli.training import checkpoint, engine, rundir

    if moment == "generation":
        before(rollout, "sample")  # one call a token
    elif moment == "update":
        before(engine.TrainEngine, "_finish")
    elif moment == "half the weights":
        halfway(safetensors.torch, "save_file", lambda state, path, *a, **k: Path(path))
    elif moment == "half the optimizer":

        def written(thing: Any, handle: Any, *rest: Any, **named: Any) -> Path | None:
            if not Path(handle.name).name.startswith("optimizer-rank"):
                return None
            handle.flush()
            return Path(handle.name)

        halfway(torch, "save", written)
    elif moment == "random numbers":
        before(saving, "save_rng")
    elif moment == "half the state":
        halfway(saving, "write_state", lambda folder, state: folder / "state.json")
    elif moment == "before the marker":
        before(checkpoint, "fsync_tree")
    elif moment == "half a marker":
        halfway(checkpoint, "fsync_path", lambda path: path if path.name == checkpoint.MARKER else None)
    elif moment == "before the rename":
        before(checkpoint, "fsync_path", lambda path: path.name.endswith(".tmp"))
    elif moment == "after the rename":
        before(checkpoint, "fsync_path", lambda path: path.name == "checkpoints")
    elif moment == "pruning":

        class Removing:
            """shutil, but for a checkpoint that has lost its marker and not yet its files."""

            @staticmethod
            def rmtree(path: Path, **named: Any) -> None:
                if path.name.startswith("step-"):
                    die()
                real_shutil.rmtree(path, **named)

        real_shutil = checkpoint.shutil
        checkpoint.shutil = Removing  # type: ignore[assignment]
    elif moment == "metrics line":
        _half_a_line(counted(), die)
    elif moment == "final/":
        before(rundir, "fsync_tree")  # all is written, nothing is renamed
    else:
        raise ValueError(moment)


def _half_a_line(now: Callable[[], bool], die: Callable[[], None]) -> None:
    from repo_cli.training.tracking import Tracker

    real = Tracker.log

    def log(self: Any, step: int, values: Any) -> None:
        if self.active and now():
            with open(self.run.metrics, "a", encoding="utf-8") as handle:
                handle.write('{"step": ' + str(step) + ', "ti')
            die()
        real(self, step, values)

    Tracker.log = log  # type: ignore[method-assign]


def serve(criteria: list[str]) -> tuple[int, str]:
    """(process, address) of an endpoint in a process of its own: the test suite's, whose scores follow from the text,
    and which kills the one who asks, while it waits, when its key says so. It ends with this process."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import judge_server

    class Killing(judge_server.FakeEndpoint):
        counts: Counter[str] = Counter()

        def _serve(self, handler: Any, body: dict[str, Any]) -> None:
            key = handler.headers.get("Authorization", "").removeprefix("Bearer ")
            if key.startswith("die-"):
                pid, call, launcher = (int(part) for part in key.split("-")[1:])
                with self._lock:
                    self.counts[key] += 1
                    now = self.counts[key] == call
                if now:
                    for number in filter(None, (launcher, pid)):
                        os.kill(number, signal.SIGKILL)
                    return
            super()._serve(handler, body)

    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        judge_server.score_of = lambda user: 1 + zlib.crc32(user.encode()) % 5
        with Killing(criteria) as server:
            os.write(write, server.url.encode())
            os.close(write)
            while True:
                signal.pause()
    os.close(write)
    with os.fdopen(read) as pipe:
        return pid, pipe.read()
