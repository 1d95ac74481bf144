"""Evaluations of the same comparison under several training seeds, put together.

The seeds of a scenario (or bad case) are trials of one unit, as repeated trials are: they are summed before anything
is resampled, so that an interval does not shrink because the same scenario was played by three trained copies. What
differs from seed to seed is shown beside it and is no part of the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from repo_cli.errors import UserError
from repo_cli.evaluation.measures import BY_KEY
from repo_cli.evaluation.metrics import summarise
from repo_cli.evaluation.result import EvalResult, SystemResult
from repo_cli.evaluation.statistics import Difference, holm


def pooled(results: Mapping[int, EvalResult]) -> EvalResult:
    """One result with the units of all seeds. Raises UserError when the seeds did not evaluate the same systems."""
    seeds = list(results)
    names = list(results[seeds[0]].systems)
    for seed in seeds[1:]:
        if list(results[seed].systems) != names:
            raise UserError(f"seed {seed} evaluated other systems than seed {seeds[0]}")
    whole = EvalResult({}, dict(results[seeds[0]].config), results[seeds[0]].baseline)
    for name in names:
        whole.systems[name] = merged = SystemResult()
        for place, seed in enumerate(seeds):
            part = results[seed].systems[name]
            trials = 1 + max((d.trial for d in part.dialogues), default=0)
            merged.dialogues += [replace(d, trial=place * trials + d.trial) for d in part.dialogues]
            merged.badcases += part.badcases
            merged.replies += [replace(r, trial=place * trials + r.trial) for r in part.replies]
            merged.faults += part.faults
    return whole


def first(result: EvalResult, count: int, cases: int = 0) -> EvalResult:
    """The same with the first `count` dialogues and `cases` bad cases of each system only (a smaller layout of the
    same run), each with all its trials."""
    few = EvalResult({}, dict(result.config), result.baseline)
    for name, system in result.systems.items():
        ids = list(dict.fromkeys(d.scenario_id for d in system.dialogues))[:count]
        bad = set(list(dict.fromkeys(c.case_id for c in system.badcases))[:cases])
        few.systems[name] = SystemResult(
            [d for d in system.dialogues if d.scenario_id in set(ids)],
            [c for c in system.badcases if c.case_id in bad],
        )
    return few


def ahead_of(result: EvalResult, system: str, bootstrap: int) -> dict[str, dict[str, Gain]]:
    """By how much `system` is ahead of each other one: gains[other][metric], paired by scenario, with Holm's correction
    over the others."""
    summary = summarise(result, baseline=system, bootstrap=bootstrap)
    gains: dict[str, dict[str, Gain]] = {}
    for other, found in summary.differences.items():
        gains[other] = {key: Gain(_turned(d)) for key, d in found.items()}
    for key in BY_KEY:
        family = {other: g[key].difference.p for other, g in gains.items() if key in g}
        for other, p in holm(family).items():
            gains[other][key].p_holm = p
    return gains


@dataclass
class Gain:
    """A paired difference and its p-value after Holm's correction."""

    difference: Difference
    p_holm: float = float("nan")


def _turned(d: Difference) -> Difference:
    """The difference seen from the other side."""
    return Difference(-d.value, -d.high, -d.low, d.p, d.n, d.lost, d.gained)
