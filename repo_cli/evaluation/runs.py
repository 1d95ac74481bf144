"""A training run as the report shows it: the curves of its metrics.jsonl, its alarms, its configuration."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from repo_cli.evaluation import svg

_CURVES = 18
_FIRST = ("reward/total", "reward/rm", "reward/judge", "reward/rules", "eval/rating", "rating")


def run_view(run: Path) -> dict[str, Any]:
    """Curves of one run's metrics.jsonl, its warnings and its configuration."""
    steps, columns = read_metrics(run / "metrics.jsonl")
    keys = sorted(
        columns,
        key=lambda k: (
            _FIRST.index(k) if k in _FIRST else len(_FIRST),
            not k.startswith(("reward", "eval")),
            k,
        ),
    )
    curves = []
    for key in keys[:_CURVES]:
        points = [(s, v) for s, v in zip(steps, columns[key], strict=True) if v is not None]
        if len(points) < 2:
            continue
        values = [v for _, v in points]
        curves.append(
            {
                "name": key,
                "svg": svg.curve([s for s, _ in points], values),
                "first": f"{values[0]:.4g}",
                "last": f"{values[-1]:.4g}",
                "low": f"{min(values):.4g}",
                "high": f"{max(values):.4g}",
                "steps": f"{points[0][0]:g} to {points[-1][0]:g}",
            }
        )
    config = run / "config.yaml"
    return {
        "name": "/".join(run.parts[-3:]),
        "curves": curves,
        "left_out": max(0, len(keys) - _CURVES),
        "alarms": _alarms(run / "log.txt"),
        "config": config.read_text(encoding="utf-8", errors="replace")[:40_000] if config.is_file() else "",
    }


def read_metrics(path: Path) -> tuple[list[float], dict[str, list[float | None]]]:
    """(steps, column by name) of a metrics.jsonl; a broken last line (a run that was killed) is passed over."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), (int, float)):
                rows.append(row)
    keys = dict.fromkeys(k for r in rows for k, v in r.items() if k not in ("step", "time") and _is_number(v))
    columns = {k: [float(r[k]) if _is_number(r.get(k)) else None for r in rows] for k in keys}
    return [float(r["step"]) for r in rows], columns


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _alarms(path: Path) -> list[str]:
    lines: Iterable[str] = (
        path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ()
    )
    return [line[:400] for line in lines if "WARNING" in line or "ERROR" in line][-20:]
