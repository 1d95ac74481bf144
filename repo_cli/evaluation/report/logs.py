"""What a training run wrote down: metrics.jsonl, alarms.jsonl, warnings of log.txt. Broken lines are passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

Points = list[tuple[float, float]]


@dataclass
class Alarm:
    """One alarm from where it began to where it ended (None: it held to the run's end)."""

    name: str
    start: float
    end: float | None
    value: float | None
    threshold: float | None
    action: str
    text: str


@dataclass
class RunLog:
    """One run as the page draws it (or the mean of `count` of them): `series` are the points of each metric by step."""

    label: str
    path: Path
    stage: str
    config: dict[str, Any]
    series: dict[str, Points] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    count: int = 1

    @property
    def last_step(self) -> float:
        """The last step that any metric has."""
        return max((points[-1][0] for points in self.series.values() if points), default=0.0)

    @classmethod
    def read(cls, label: str, path: Path, stage: str, config: dict[str, Any]) -> RunLog:
        """From a run directory."""
        steps, columns = read_metrics(path / "metrics.jsonl")
        series = {
            key: [(s, v) for s, v in zip(steps, values, strict=True) if v is not None]
            for key, values in columns.items()
        }
        return cls(
            label,
            path,
            stage,
            config,
            series,
            read_alarms(path / "alarms.jsonl"),
            _warnings(path / "log.txt"),
        )


def read_metrics(path: Path) -> tuple[list[float], dict[str, list[float | None]]]:
    """(steps in order, column by name) of a metrics.jsonl; of two rows of one step (a resumed run) the later counts."""
    rows = {float(row["step"]): row for row in _objects(path) if _is_number(row.get("step"))}
    ordered = [rows[step] for step in sorted(rows)]
    keys = dict.fromkeys(
        k for r in ordered for k, v in r.items() if k not in ("step", "time") and _is_number(v)
    )
    columns = {k: [float(r[k]) if _is_number(r.get(k)) else None for r in ordered] for k in keys}
    return sorted(rows), columns


def read_alarms(path: Path) -> list[Alarm]:
    """The alarms of an alarms.jsonl, each `start` joined with the next `end` of its name; [] without the file."""
    found: list[Alarm] = []
    running: dict[str, Alarm] = {}
    for row in _objects(path):
        name, step = str(row.get("name") or "alarm"), row.get("step")
        if not _is_number(step):
            continue
        if row.get("state") == "end":
            if name in running:
                running.pop(name).end = float(step)
            continue
        if name in running:  # said again while it holds
            continue
        values = [float(row[k]) if _is_number(row.get(k)) else None for k in ("value", "threshold")]
        alarm = Alarm(
            name,
            float(step),
            None,
            values[0],
            values[1],
            str(row.get("action") or ""),
            str(row.get("text") or ""),
        )
        running[name] = alarm
        found.append(alarm)
    return found


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        if isinstance(row, dict):
            yield row


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _warnings(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return [line[:400] for line in lines if " WARNING " in f" {line}" or " ERROR " in f" {line}"][-20:]
