"""Which checkpoint a resumed stage goes on from, with how many ranks and threads, when the next one is due and how good
it is, and the last words of a run that had no time to write one."""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from repo_cli.config.schema import Config, TrackerConfig
from repo_cli.errors import Stopped, UserError, nearest
from repo_cli.training import distributed
from repo_cli.training.checkpoint import (
    check_checkpoint,
    latest_complete,
    latest_whole,
    rank_count,
    step_of,
    thread_count,
)
from repo_cli.training.rundir import RunDir


class Due:
    """When a checkpoint is due: every `checkpoint_every` steps, and when the last one is `checkpoint_minutes` old."""

    def __init__(self, tracker: TrackerConfig) -> None:
        self._every, self._seconds = tracker.checkpoint_every, 60.0 * tracker.checkpoint_minutes
        self._since = time.monotonic()
        self._last: int | None = None

    def begin(self, step: int | None) -> None:
        """The loop begins; step: the checkpoint's that it goes on from."""
        self._since, self._last = time.monotonic(), step

    def saved(self, step: int) -> None:
        self.begin(step)

    def has(self, step: int) -> bool:
        """Whether the last checkpoint is this step's."""
        return self._last == step

    def by_clock(self) -> bool:
        """Clocks differ between ranks: rank 0 alone is asked."""
        return bool(self._seconds) and time.monotonic() - self._since >= self._seconds

    def by_steps(self, step: int) -> bool:
        return bool(self._every) and step % self._every == 0


def checkpoint_to_resume(cfg: Config, run: RunDir, is_main: bool) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, and what is to be said about it: the one that `resume` names, or the newest
    whole one of this run. All ranks call; rank 0 looks.

    Raises:
        UserError: on every rank, when there is none, or it was made by another number of ranks (and no --force).
    """
    if not cfg.resume:
        return None, []
    found: list[Any] = [None, []]

    def look() -> None:
        if is_main:
            found[0] = _look(cfg.resume or "", run, found[1])

    distributed.agreed(look)
    place, notes = distributed.broadcast_object(found)
    return place, notes + _same_ranks(cfg, place) + _same_threads(cfg, place)


def _look(resume: str, run: RunDir, notes: list[str]) -> Path:
    named = Path(resume).expanduser()
    if step_of(named) >= 0:
        check_checkpoint(named)
        return named
    found = latest_whole(run.checkpoints, notes.append)
    if found is None:
        why = f" ({notes[0]})" if notes else ""
        raise UserError(f"resume={resume}: no whole checkpoint in {run.checkpoints}{why}")
    return found


def _same_ranks(cfg: Config, checkpoint: Path) -> list[str]:
    """Ranks draw their own replies and dropout, and share out the batch: with another number of them it is another run.

    Raises:
        UserError: on every rank.
    """
    before, now = rank_count(checkpoint), distributed.world_size()
    if before is None or before == now:
        return []
    said = f"{checkpoint.name} was made by {before} rank{'s' * (before > 1)} and this run has {now}"
    if not cfg.force:
        raise UserError(
            f"{said}: what each rank draws would not be the same run's",
            hint=f"launch.nproc={before} (all ranks together), or --force to go on all the same",
        )
    return [f"{said}: it goes on by force, and its results are not those of the run that was stopped"]


def _same_threads(cfg: Config, checkpoint: Path) -> list[str]:
    """Bits depend on the number of CPU threads: the checkpoint's is taken where the configuration has none."""
    before, now = thread_count(checkpoint), torch.get_num_threads()
    if before is None or before == now:
        return []
    if cfg.engine.threads is None and before <= (os.cpu_count() or 1):
        torch.set_num_threads(before)
        return []
    return [
        f"{checkpoint.name} was made with {before} CPU threads and this run has {now}: the results will not be "
        f"the same to the last bit (engine.threads={before} makes them so)"
    ]


def score_of(tracker: TrackerConfig, metrics: Mapping[str, float]) -> tuple[float | None, str | None]:
    """(the value of the metric that tracker.keep_best names, what is wrong with that name)."""
    name = tracker.keep_best
    if name is None or not metrics:
        return None, None
    if name not in metrics:
        guess = nearest(name, metrics)
        hint = f"; did you mean {guess}?" if guess else ""
        return None, f"tracker.keep_best={name}: step has no such metric{hint}"
    return float(metrics[name]), None


def out_of_time(run: RunDir, stop_s: float) -> int:
    """The exit code of a run that is not at a safe place when `launch.stop_s` are over; says so on its way."""
    kept = latest_complete(run.checkpoints)
    text = f"no safe place to stop within launch.stop_s={stop_s} s, so nothing was saved now"
    print(f"stopped: {text}; last checkpoint: {kept or 'none'}", file=sys.stderr, flush=True)
    with open(run.log_file, "a", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        faulthandler.dump_traceback(file, all_threads=True)
    return Stopped.exit_code if kept else 1
