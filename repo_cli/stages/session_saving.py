"""What a run keeps of itself on the disk, and gets back: every engine's state, random numbers, what a stage keeps.

All ranks call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from repo_cli.config.schema import Config
from repo_cli.stages.going_on import Due, score_of
from repo_cli.stages.speaker import Speaker
from repo_cli.training import distributed
from repo_cli.training.checkpoint import load_rng, read_state, save_checkpoint, save_rng, write_state
from repo_cli.training.engine import TrainEngine
from repo_cli.training.heartbeat import beat
from repo_cli.training.rundir import RunDir


class Saving(Speaker):
    """The memory of a Session, which sets what stands here."""

    cfg: Config
    stage: str
    run: RunDir
    last_metrics: dict[str, float]
    _engines: dict[str, TrainEngine]
    _kept: dict[str, Any]
    _kept_before: dict[str, Any]
    _due: Due
    _step: int
    _updates_before: int
    _told_best: bool
    _resumed: Path | None

    def keep(self, name: str, thing: Any) -> None:
        """Make `thing.state()` (JSON) a part of every checkpoint; `thing.load_state` gets it back on resume."""
        self._kept[name] = thing

    def save(self, step: int, kept: dict[str, Any] | None = None) -> Path:
        """A complete checkpoint: every engine's exact state, random numbers, the step, and what `keep` named.

        kept: those states where they are not what they are now (the step that is left has changed them).
        """
        kept = {name: thing.state() for name, thing in self._kept.items()} if kept is None else kept

        def write(folder: Path) -> None:
            for role, engine in self._engines.items():  # all ranks stop at the first that one could not write
                distributed.agreed(lambda engine=engine, role=role: engine.save(folder / role))  # type: ignore[misc]
                beat("save", lockstep=True)
            save_rng(folder)
            state = {"step": step, "stage": self.stage, "seed": self.cfg.seed, "kept": kept}
            state["metrics"] = {
                k: v if isinstance(v, int) else float(v) for k, v in self.last_metrics.items()
            }
            write_state(
                folder, state | {"threads": torch.get_num_threads(), "ranks": distributed.world_size()}
            )

        tracker = self.cfg.tracker
        score, problem = score_of(tracker, self.last_metrics)
        if problem and not self._told_best:
            self._told_best = True
            self.alarm(problem)
        # what was logged before a checkpoint is on the disk before the checkpoint counts
        distributed.agreed(self.tracker.flush)
        made = save_checkpoint(
            self.run.checkpoints,
            step,
            write,
            tracker.keep_checkpoints,
            score=score,
            keep_best=tracker.best_is if tracker.keep_best else None,
        )
        self._due.saved(step)
        return made

    def _save_before_it(self) -> None:
        """After a loss that is no number: the state before the step, if the step has changed nothing yet, the weights
        are numbers, and it is not saved. Else the last checkpoint stands."""
        if self._updates() != self._updates_before or self._step < 1 or self._due.has(self._step):
            return
        broken = int(any(not engine.finite() for engine in self._engines.values()))
        if not distributed.all_max(broken):
            self.save(self._step, kept=self._kept_before)

    def _restore(self) -> int:
        assert self._resumed is not None
        state = read_state(self._resumed)
        for role, engine in self._engines.items():
            engine.load(self._resumed / role)
        for name, thing in self._kept.items():
            thing.load_state(state.get("kept", {}).get(name, {}))
        load_rng(self._resumed, optional=self.cfg.force)
        self.last_metrics = state.get("metrics", {})
        self.note(f"resumed after step {state['step']} from {self._resumed}")
        return int(state["step"])

    def _updates(self) -> int:
        return sum(engine.updates for engine in self._engines.values())
