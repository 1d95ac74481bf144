"""Several evaluations beside each other (three seeds, say): each figure of each, their mean and how far they spread."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from repo_cli.evaluation import show
from repo_cli.evaluation.metrics import BY_KEY, Summary
from repo_cli.evaluation.report.figures import HEADLINE


def labels(runs: Sequence[Path], configs: Sequence[dict[str, Any]]) -> list[str]:
    """A short name for each run: its name where these differ (without what all of them begin with), else its seed, else
    both, else its directory's."""
    names = without_prefix([str(c.get("name") or "") for c in configs])
    seeds = [f"seed {c.get('seed')}" for c in configs]
    both = [f"{name} {seed}" for name, seed in zip(names, seeds, strict=True)]
    for found in (names, seeds, both):
        if all(found) and len(set(found)) == len(runs):
            return found
    return [run.resolve().name for run in runs]


def without_prefix(names: list[str]) -> list[str]:
    """Names without the words up to a hyphen that all of them begin with: table-ppo, table-repo -> ppo, repo."""
    if len(set(names)) < 2:
        return names
    cut = os.path.commonprefix(names).rfind("-") + 1
    return [name[cut:] for name in names]


def together(named: Sequence[tuple[str, Summary]]) -> dict[str, Any]:
    """One table a figure: a row for each system that every evaluation has, a column for each evaluation, the mean over
    them and its standard deviation. {} with fewer than two evaluations or no system in common."""
    if len(named) < 2:
        return {}
    first = named[0][1]
    systems = [s for s in first.systems if all(s in summary.systems for _, summary in named)]
    tables = []
    for key in HEADLINE:
        metric, rows = BY_KEY[key], []
        for system in systems:
            found = [summary.systems[system].get(key) for _, summary in named]
            values = [f.value for f in found if f is not None and not math.isnan(f.value)]
            if not values:
                continue
            spread = f" ± {show.number(stdev(values), metric).removesuffix('%')}" if len(values) > 1 else ""
            rows.append(
                {
                    "name": system,
                    "cells": [
                        "–" if f is None else show.interval(f, metric).partition(" ")[::2] for f in found
                    ],
                    "mean": show.number(mean(values), metric) + spread,
                    "won": _won(named, system, key),
                }
            )
        if rows:
            tables.append({"label": metric.label, "better": metric.better, "rows": rows})
    return (
        {"names": [name for name, _ in named], "baseline": first.baseline, "tables": tables} if tables else {}
    )


def _won(named: Sequence[tuple[str, Summary]], system: str, key: str) -> str:
    """In how many evaluations the system was clearly better, level or worse than the baseline."""
    words = [
        show.verdict(change, BY_KEY[key])
        for _, summary in named
        if (change := summary.differences.get(system, {}).get(key)) is not None
    ]
    counts = [(word, words.count(word)) for word in ("better", "level", "worse")]
    return ", ".join(f"{n} {word}" for word, n in counts if n)
