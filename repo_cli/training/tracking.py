"""What a run writes down: metrics.jsonl (always), TensorBoard, tables of replies, alarms. Rank 0 only.

Weights & Biases, MLflow and trackio (`tracker.services`) get the same numbers: training/services.py.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from repo_cli.training.disk import disk_errors, fsync_path
from repo_cli.training.rundir import RunDir
from repo_cli.training.services import Outlet, check_installed

log = logging.getLogger("repo")
#: Parts of the configuration that a service's table of settings does without.
LONG = ("rules.rules", "rubric.criteria", "sop.stages", "pipeline.steps")


class Tracker:
    """One line a step in metrics.jsonl, the same numbers in TensorBoard.

    active: False on every rank but the first. from_step: when resuming, lines of later steps are taken out
    of metrics and alarms first, so that a step never stands there twice. say: for what a person should see.
    """

    def __init__(
        self,
        run: RunDir,
        cfg: Any,
        active: bool = True,
        from_step: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.run, self.cfg, self.active = run, cfg, active
        self._say = say or self.alarm
        self._board: Any = None
        self._outlets: list[Outlet] | None = None
        self._from_step = from_step
        if active:
            check_installed(cfg.tracker.services)
        if active and from_step is not None:
            _cut(run.metrics, from_step)
            _cut(run.alarms, from_step)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Numbers of one step (names like reward/rm, timing/update_s). NaN and infinity become null."""
        if not self.active or step % self.cfg.tracker.log_every:
            return
        numbers = {key: _plain(value) for key, value in values.items()}
        row = {"step": step, "time": round(time.time(), 3), **numbers}
        with disk_errors(self.run.metrics), open(self.run.metrics, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
        board = self._tensorboard()
        if board is not None:
            for key, number in numbers.items():
                if isinstance(number, (int, float)):
                    board.add_scalar(key, number, step)
        for outlet in self._services():
            outlet.log(step, numbers)

    def rollouts(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """A table of replies with all their scores, the first rollouts_keep: rollouts/step-000100.jsonl."""
        every, keep = self.cfg.tracker.rollouts_every, self.cfg.tracker.rollouts_keep
        if not self.active or not every or not keep or step % every:
            return
        with disk_errors(self.run.rollouts):
            self.run.rollouts.mkdir(exist_ok=True)
            with open(self.run.rollouts / f"step-{step:06d}.jsonl", "w", encoding="utf-8") as handle:
                for index, row in enumerate(rows):
                    if index >= keep:
                        break
                    handle.write(
                        json.dumps({k: _plain(v) for k, v in row.items()}, ensure_ascii=False) + "\n"
                    )

    def alarm_event(self, row: Mapping[str, Any]) -> None:
        """A line of alarms.jsonl: an alarm that starts or ends (training/alarms.py)."""
        if not self.active:
            return
        with disk_errors(self.run.alarms), open(self.run.alarms, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({k: _plain(v) for k, v in row.items()}, ensure_ascii=False) + "\n")

    def alarm(self, text: str) -> None:
        """Something that a person should see: to the log as a warning, which the terminal shows too."""
        if self.active:
            log.warning(text)

    def _tensorboard(self) -> Any:
        if self._board is None and self.cfg.tracker.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            # a resumed run takes the points of later steps out of what the board shows
            purge = None if self._from_step is None else self._from_step + 1
            _let_the_second_pass(self.run.path / "tensorboard")
            self._board = SummaryWriter(str(self.run.path / "tensorboard"), purge_step=purge)
        return self._board

    def _services(self) -> list[Outlet]:
        if self._outlets is None:
            settings = flat(dataclasses.asdict(self.cfg)) if self.cfg.tracker.services else {}
            resumed = bool(self._from_step)
            self._outlets = [
                Outlet(name, self.run.path, self.cfg, settings, self._rows, self._say, resumed)
                for name in self.cfg.tracker.services
            ]
        return self._outlets

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in read_metrics(self.run.metrics):
            yield row["step"], {k: v for k, v in row.items() if k not in ("step", "time")}

    def catch_up(self) -> None:
        """At the end of a run that went on and had no step left to make: a service may still lack some."""
        if self.active and self._from_step:
            self._services()

    def flush(self) -> None:
        """All that was logged is on the disk from here on: what stands before a checkpoint is not made again."""
        if not self.active:
            return
        if self._board is not None:
            self._board.flush()
        events = (self.run.path / "tensorboard").glob("events.out.tfevents.*")
        for path in [self.run.metrics, self.run.alarms, *events]:
            if path.is_file():
                with disk_errors(path):
                    fsync_path(path)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None
        for outlet in self._outlets or []:
            outlet.close()
        self._outlets = None


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of nested mappings, without the long free-form parts."""
    out: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            if f"{prefix}{name}" not in LONG:
                out |= flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out


def _plain(value: Any) -> Any:
    """What JSON can hold: one-element tensors become numbers, non-finite numbers null."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; a last line cut short by a crash is left out."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows


def forget(run: RunDir) -> None:
    """Takes away what a try has logged that ended before its first checkpoint: the next one begins at step 1."""
    places = [run.metrics, run.alarms, *(run.path / "tensorboard").glob("events.out.tfevents.*")]
    for path in [*places, *run.rollouts.glob("step-*.jsonl")]:
        with disk_errors(path):
            path.unlink(missing_ok=True)


def _cut(path: Path, from_step: int) -> None:
    if not path.is_file():
        return
    kept = [row for row in read_metrics(path) if row.get("step", 0) <= from_step]
    fresh = path.with_suffix(".tmp")
    with disk_errors(path):
        fresh.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept), encoding="utf-8")
        fresh.replace(path)


def _let_the_second_pass(folder: Path) -> None:
    """TensorBoard reads a run's event files by the second in their names. Two of the same second may come the wrong
    way round, and then what a resumed run takes out stays in: so its file waits for the next one."""
    seconds = [int(p.name.split(".")[3]) for p in folder.glob("events.out.tfevents.*.*")]
    while seconds and 0 <= max(seconds) - int(time.time()) < 2:
        time.sleep(0.02)
