"""What every stage needs around its loop: ranks, run directory, log, progress, checkpoints, signals, the product.

    with Session(cfg, "sft", run_dir) as session:
        engine = session.engine(backbone, role, cfg.optim.lr, total)
        for step in session.steps(total):       # resumes where a checkpoint ends
            session.end_step(step, engine.step(...))   # logs, saves, and stops after a signal
        return session.finish(backbone, role, kind="adapter")

Random numbers are seeded anew for each step from (seed, step, rank), so a resumed run draws what the undisturbed one
would have drawn. A signal ends the stage at once while there is nothing to save (loading, evaluation). From the first
step on the ranks agree at the next safe place (a phase, a micro-batch): a step that has changed no weight yet is left
and the state before it saved; one that has is finished first. `launch.stop_s` bounds the time that may take. After the
last step all is saved before anything else (calibration, held-out data, the product), and a signal ends the stage at
once again.
"""

from __future__ import annotations

import copy
import gc
import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console

from repo_cli.config.schema import Config
from repo_cli.errors import SavedStop, Stopped, UserError
from repo_cli.models.backbone import Backbone
from repo_cli.quiet import quiet_libraries, route_logs
from repo_cli.stages.going_on import Due, checkpoint_to_resume, out_of_time
from repo_cli.stages.product import write_product
from repo_cli.stages.session_saving import Saving
from repo_cli.training import distributed
from repo_cli.training.checkpoint import latest_complete, step_of
from repo_cli.training.engine import NonFiniteLoss, TrainEngine
from repo_cli.training.heartbeat import Heartbeat, beat
from repo_cli.training.memory import give_back, peak_gib, spare_memory
from repo_cli.training.progress import StepProgress
from repo_cli.training.run_lock import RunLock
from repo_cli.training.rundir import RunDir
from repo_cli.training.signals import StopFlag
from repo_cli.training.tracking import Tracker

T = TypeVar("T")
log = logging.getLogger("repo")

#: Which metric stands beside the progress bar, by stage.
SHOWN = {"sft": "loss", "dpo": "accuracy", "train_rm": "accuracy", "rl": "reward/total"}


class LeftStep(Stopped):
    """A signal came before the running step changed anything: the state before it is what gets saved."""


class Session(Saving):
    """See the module's docstring. One per run of a stage; `path` is the run directory."""

    def __init__(self, cfg: Config, stage: str, run_dir: Path | None = None) -> None:
        self.cfg, self.stage = cfg, stage
        self._given = run_dir
        self.console = Console()
        self.last_metrics: dict[str, float] = {}
        self._engines: dict[str, TrainEngine] = {}
        self._kept: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._bar: StepProgress | None = None
        self._step = -1  # the running step of the loop; -1 outside of it
        self._ended = False  # whether end_step has been through for it
        self._updates_before = 0
        self._kept_before: dict[str, Any] = {}
        self._heart: Heartbeat | None = None
        self._told_best = False
        self._due = Due(cfg.tracker)
        self._stop = StopFlag(
            at_once=True, limit_s=cfg.launch.stop_s, at_limit=lambda: out_of_time(self.run, cfg.launch.stop_s)
        )

    # -- coming and going ------------------------------------------------------------------------------------

    def __enter__(self) -> Session:
        quiet_libraries()
        self.device = distributed.init(self.cfg)
        if self.device.type == "cpu":
            spare_memory()
        gc.freeze()  # half a million objects of the libraries stay: the collector need not look at them again and again
        self.is_main = distributed.is_main()
        if self._given is None:
            made = str(RunDir.create(self.cfg).path) if self.is_main else None
            self._given = Path(distributed.broadcast_object(made))
        self.run = RunDir(self._given)
        self.path = self.run.path
        self._lock = RunLock(self.path)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def _open(self) -> None:
        distributed.agreed(self._take_lock)
        self._resumed, notes = checkpoint_to_resume(self.cfg, self.run, self.is_main)
        start = step_of(self._resumed) if self._resumed else None
        self.tracker = Tracker(self.run, self.cfg, active=self.is_main, from_step=start, say=self.alarm)
        self._handler = self.run.log_handler() if self.is_main else logging.NullHandler()
        route_logs(self._handler)
        log.handlers, log.propagate = [self._handler], False
        log.setLevel(logging.INFO)
        for note in [*self._lock.notes, *notes]:
            self.alarm(note)
        torch.manual_seed(self.cfg.seed)
        self._stop.__enter__()
        self._stop.check()

    def _take_lock(self) -> None:
        if self.is_main:
            self._lock.take()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        saved = None
        try:
            if isinstance(error, LeftStep) or (isinstance(error, SavedStop) and self._step >= 0):
                if self._ended:
                    saved = self.save(self._step + 1)
                else:
                    saved = self.save(self._step, kept=self._kept_before)
            if isinstance(error, NonFiniteLoss):
                self._save_before_it()
        finally:
            try:
                self._close(kind, error, trace)
            finally:
                self._lock.release()
        if isinstance(error, SavedStop) and saved is not None:
            raise UserError(
                f"step {self._step + 1}: {error.message}",
                hint=f"{error.hint}; all that was trained is in {saved}; go on with --resume {self.path}",
            ) from error
        if isinstance(error, NonFiniteLoss):
            kept = latest_complete(self.run.checkpoints)
            raise UserError(
                f"step {self._step + 1}: {error}; nothing was updated in it",
                hint=f"last good checkpoint: {kept or 'none'}; lower the learning rate, or look at the data",
            ) from error

    def _close(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._stop.__exit__(kind, error, trace)
        self._rest()
        if kind is None:
            self.tracker.catch_up()
        self.tracker.close()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
        gc.collect()  # DeepSpeed's engine and the backbone point at each other
        give_back(every_s=0.0)
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
        if isinstance(error, NonFiniteLoss | SavedStop):
            log.error(str(error))
        route_logs(None)
        log.handlers = []
        self._handler.close()

    # -- engines ---------------------------------------------------------------------------------------------

    def engine(
        self, backbone: Backbone, role: str, lr: float, total_steps: int, dropout: bool = False
    ) -> TrainEngine:
        """The training engine of a role; its whole state is part of every checkpoint."""
        engine = TrainEngine(backbone, role, self.cfg, lr, total_steps=total_steps, dropout=dropout)
        engine.between = self.safe_place
        self._engines[role] = engine
        return engine

    # -- the loop --------------------------------------------------------------------------------------------

    def steps(self, total: int) -> Iterator[int]:
        """Step numbers from 0 (or from where the resumed checkpoint ends) to total - 1, with progress and time left."""
        first = self._restore() if self._resumed else 0
        self._stop.check()  # a library may have swallowed what the handler raised
        self._stop.at_once = False  # from here on the step is finished first, and saved
        self._due.begin(first if self._resumed else None)
        self._bar = StepProgress(self.stage, total, done=first, active=self.is_main)
        self._bar.__enter__()
        if distributed.world_size() > 1 and self.cfg.launch.heartbeat_s:
            self._heart = Heartbeat(self.path, distributed.rank()).start()
        for self._step in range(first, total):
            self._ended = False
            torch.manual_seed(self.step_seed(self._step))
            self._seconds, self._began = {}, time.perf_counter()
            self._updates_before = self._updates()
            self._kept_before = copy.deepcopy({name: thing.state() for name, thing in self._kept.items()})
            yield self._step
        if total > first and not self._due.has(total):
            self.save(total)
        self._rest()
        self._bar.__exit__(None, None, None)
        self._stop.kept = f"all {total} steps are done and saved; go on with --resume {self.path}"
        if self._stop.agreed():
            raise self._stop.stopped()
        self._stop.at_once = True

    # -- work of another kind --------------------------------------------------------------------------------

    def restore(self) -> int:
        """For work without `steps`: what `keep` named back as the resumed checkpoint has it; its step, 0 for none."""
        return self._restore() if self._resumed else 0

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Within, a signal waits; it ends the stage right behind."""
        self._stop.at_once = False
        yield
        self._stop.at_once = True
        self._stop.check()

    @property
    def kept(self) -> str | None:
        """What lies on the disk if a signal ends the stage here and now; None = nothing. May be set."""
        return self._stop.kept

    @kept.setter
    def kept(self, words: str) -> None:
        self._stop.kept = words

    def _rest(self) -> None:
        """No signs of life are expected from here on, and there is no step to leave."""
        self._updates_before = -1
        if self._heart is not None:
            self._heart.stop()
            self._heart = None

    def safe_place(self) -> None:
        """All ranks pass here equally often; after a signal they leave the step together, if it changed nothing yet."""
        beat(f"step {self._step + 1}", lockstep=True)
        if self._bar is None or self._updates() != self._updates_before:
            return
        if self._stop.agreed():
            raise LeftStep(self._stopped_text(self._step))

    def _stopped_text(self, done: int) -> str:
        return (
            f"stopped by {self._stop.signal or 'a signal'} after step {done}; go on with --resume {self.path}"
        )

    def end_step(
        self, step: int, stats: dict[str, float], rollouts: list[dict[str, Any]] | None = None
    ) -> None:
        """Log the step; save when it is time; after a signal save and raise Stopped."""
        stats = {k if "/" in k else f"{self.stage}/{k}": v for k, v in stats.items()}
        stats |= {f"timing/{name}_s": seconds for name, seconds in self._seconds.items()}
        stats["timing/step_s"] = time.perf_counter() - self._began
        stats["memory/peak_gib"] = peak_gib(self.device)
        give_back()
        self.last_metrics = stats
        done = step + 1
        self.tracker.log(done, stats)
        self._ended = True
        if rollouts is not None:
            self.tracker.rollouts(done, rollouts)
        shown = SHOWN.get(self.stage, "loss")
        key = shown if shown in stats else f"{self.stage}/{shown}"
        assert self._bar is not None, "end_step outside of steps()"
        self._bar.advance(1, **({key: stats[key]} if key in stats else {}))
        beat(f"end of step {done}", lockstep=True)
        # one exchange for both: a signal to any rank, and the clock of rank 0
        told = distributed.all_max(2 if self._stop.set else int(self.is_main and self._due.by_clock()))
        if told or self._due.by_steps(done):
            self.save(done)
        if told == 2:
            raise Stopped(self._stopped_text(done))

    def step_seed(self, step: int) -> int:
        """A seed of this step and rank alone."""
        return (self.cfg.seed * 1_000_003 + step * 1_009 + distributed.rank()) % 2**31

    def my_share(self, things: list[T], group: int = 1) -> list[T]:
        """This rank's part of a global batch, whole groups of `group` at a time."""
        groups = [things[i : i + group] for i in range(0, len(things), group)]
        mine = groups[distributed.rank() :: distributed.world_size()]
        return [thing for part in mine for thing in part]

    # -- times ----------------------------------------------------------------------------------------------

    @contextmanager
    def timer(self, name: str) -> Iterator[None]:
        """Adds to `timing/<name>_s` of the running step."""
        self.safe_place()
        began = time.perf_counter()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - began

    def seconds(self, name: str) -> float:
        """Seconds so far under `timer(name)` in this step."""
        return self._seconds.get(name, 0.0)

    # -- the product -----------------------------------------------------------------------------------------

    def finish(
        self,
        backbone: Backbone,
        role: str,
        kind: str,
        metrics: dict[str, float] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Path:
        """Write `final/` whole or not at all: weights, tokenizer, manifest, model card."""
        self._stop.check()  # a library may have swallowed what the handler raised
        self._stop.at_once = self.is_main  # the others wait for rank 0, which decides
        problem: Exception | None = None
        if self.is_main:
            try:
                with self.writing_final() as folder:
                    write_product(
                        folder, self.run.final, self.cfg, backbone, role, kind, metrics or {}, extra or {}
                    )
            except Exception as error:
                problem = error
        else:
            backbone.save_role(role, self.path / "final.tmp")
        distributed.same_error(problem)
        return self.run.final

    def writing_final(self) -> AbstractContextManager[Path]:
        """The directory of the product; from the moment on in which it is moved into place a signal comes too late."""

        def settle() -> None:
            self._stop.check()
            self._stop.at_once = False

        return self.run.writing_final(settle)
