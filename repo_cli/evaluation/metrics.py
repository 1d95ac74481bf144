"""Figures of several systems on the same scenarios: each with its interval, and paired differences to a baseline.

Systems are paired by scenario id (bad cases and contexts by theirs): only contexts that both systems met enter a
difference. With repeated trials the trials of one scenario are one unit: they are summed before anything is
resampled. p-values of one metric's comparisons are adjusted by Holm over the systems.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repo_cli.evaluation.agreement import alpha_interval, exact_agreement
from repo_cli.evaluation.measures import BY_KEY, METRICS, Metric, replies_of, words
from repo_cli.evaluation.result import SKILLS, BadCase, Dialogue, EvalResult, SystemResult
from repo_cli.evaluation.statistics import (
    Difference,
    Interval,
    bootstrap_mean,
    bootstrap_ratio,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    wilson,
)

__all__ = [
    "BY_KEY",
    "BadCase",
    "Dialogue",
    "EvalResult",
    "METRICS",
    "Metric",
    "Summary",
    "SystemResult",
    "choose_baseline",
    "summarise",
    "words",
]

_ID = {"dialogues": "scenario_id", "badcases": "case_id", "replies": "context_id"}


@dataclass
class Summary:
    """systems[name][metric key] -> Interval; differences[name][metric key] -> Difference to the baseline (in the
    metric's own units, not scaled); p_holm likewise; kinds[name] -> breaches of each kind per 100 replies; rates[name]
    -> the same with intervals, as "kind:..." for the oracle's kinds and "rule:..." for the rules of the configured set;
    pass_k[name][k] -> share of scenarios in which k of k trials succeed; agreement of the panel, by what it rated;
    faults[name] -> dialogues that the counterpart broke."""

    baseline: str | None
    systems: dict[str, dict[str, Interval]] = field(default_factory=dict)
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)
    p_holm: dict[str, dict[str, float]] = field(default_factory=dict)
    kinds: dict[str, dict[str, tuple[float, int]]] = field(default_factory=dict)
    rates: dict[str, dict[str, Interval]] = field(default_factory=dict)
    pass_k: dict[str, dict[int, Interval]] = field(default_factory=dict)
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "baseline": self.baseline,
            "systems": {n: {k: v.as_dict() for k, v in m.items()} for n, m in self.systems.items()},
            "differences": {n: {k: v.as_dict() for k, v in m.items()} for n, m in self.differences.items()},
            "p_holm": self.p_holm,
            "kinds": self.kinds,
            "rates": {n: {k: v.as_dict() for k, v in m.items()} for n, m in self.rates.items()},
            "pass_k": {n: {str(k): v.as_dict() for k, v in m.items()} for n, m in self.pass_k.items()},
            "agreement": self.agreement,
            "faults": self.faults,
        }


def choose_baseline(result: EvalResult) -> str | None:
    """The named baseline, else the system called sft, else the first one."""
    names = list(result.systems)
    if result.baseline in names:
        return result.baseline
    return next((n for n in names if n.lower() == "sft"), names[0] if names else None)


def summarise(
    result: EvalResult, baseline: str | None = None, bootstrap: int = 2000, seed: int = 0
) -> Summary:
    """All figures of all systems; metrics without data (no dialogues, no bad cases) are left out."""
    base = baseline if baseline in result.systems else choose_baseline(result)
    summary = Summary(base)
    for name, system in result.systems.items():
        summary.systems[name] = {}
        for metric in METRICS:
            figure = _figure(metric, getattr(system, metric.of), bootstrap, seed)
            if figure is not None:
                summary.systems[name][metric.key] = figure
        summary.kinds[name] = kinds_per_100(system.dialogues)
        summary.rates[name] = _rates(system.dialogues, bootstrap, seed)
        summary.pass_k[name] = pass_k(system.dialogues, bootstrap, seed)
        if system.faults:
            summary.faults[name] = len(system.faults)
    if base is not None:
        for name in result.systems:
            if name != base:
                summary.differences[name] = _differences(
                    result.systems[base], result.systems[name], bootstrap, seed
                )
    for key in BY_KEY:
        family = {n: d[key].p for n, d in summary.differences.items() if key in d}
        for name, value in holm(family).items():
            summary.p_holm.setdefault(name, {})[key] = value
    summary.agreement = panel_agreement(result)
    return summary


def kinds_per_100(dialogues: list[Dialogue]) -> dict[str, tuple[float, int]]:
    """Breaches of each kind per 100 replies with their highest severity, the most frequent first."""
    replies = sum(len(d.turns) for d in dialogues)
    counts = Counter(kind for d in dialogues for _, kind, _ in d.violations)
    worst: dict[str, int] = {}
    for dialogue in dialogues:
        for _, kind, severity in dialogue.violations:
            worst[kind] = max(severity, worst.get(kind, 0))
    return {kind: (round(100 * n / max(1, replies), 3), worst[kind]) for kind, n in counts.most_common()}


def _rates(dialogues: list[Dialogue], bootstrap: int, seed: int) -> dict[str, Interval]:
    """Breaches of each kind and rule per 100 replies, the most frequent first, with intervals."""
    counts: dict[str, Counter[int]] = {}
    for place, dialogue in enumerate(dialogues):
        hits = [f"kind:{kind}" for _, kind, _ in dialogue.violations] + [
            f"rule:{hit[1]}" for hit in dialogue.rules
        ]
        for hit in hits:
            counts.setdefault(hit, Counter())[place] += 1
    found = {}
    for hit in sorted(counts, key=lambda k: -counts[k].total()):
        tops = [100.0 * counts[hit][i] for i in range(len(dialogues))]
        found[hit] = _pooled(
            dialogues, "scenario_id", tops, [float(replies_of(d)) for d in dialogues], bootstrap, seed
        )
    return found


def success(dialogue: Dialogue) -> bool:
    """A trial succeeds when it comes to the right end without a hard breach."""
    return bool(dialogue.correct_end) and not dialogue.hard_turns


def pass_k(dialogues: list[Dialogue], bootstrap: int = 2000, seed: int = 0) -> dict[int, Interval]:
    """k -> the chance that k trials of one scenario all succeed, for k up to the fewest trials of any scenario.

    The unbiased estimate C(c, k) / C(n, k) of c successes in n trials, averaged over scenarios (Yao et al., arXiv
    2406.12045); empty where no scenario was tried more than once.
    """
    trials: dict[str, list[bool]] = {}
    for dialogue in dialogues:
        trials.setdefault(dialogue.scenario_id, []).append(success(dialogue))
    most = min((len(t) for t in trials.values()), default=0)
    if most < 2:
        return {}
    return {
        k: bootstrap_mean(
            [math.comb(sum(t), k) / math.comb(len(t), k) for t in trials.values()], seed, bootstrap
        )
        for k in range(1, most + 1)
    }


def panel_agreement(result: EvalResult) -> dict[str, dict[str, float]]:
    """Krippendorff's alpha with its jackknife interval and the share of units that all experts rate alike, over all
    systems together; {} without a panel."""
    dialogues = [d for s in result.systems.values() for d in s.dialogues if d.panel]
    cases = [c for s in result.systems.values() for c in s.badcases if c.panel]
    found: dict[str, dict[str, float]] = {}
    asked: list[tuple[str, str, Sequence[Any], Callable[[Any], Any]]] = [
        ("rating", "ordinal", dialogues, lambda g: g["rating"]),
        *((s, "nominal", dialogues, lambda g, s=s: g["skills"][s]) for s in SKILLS),
        ("fixed", "nominal", cases, lambda g: g["fixed"]),
    ]
    for name, level, units, read in asked:
        experts = list(dict.fromkeys(e for u in units for e in u.panel))
        if len(experts) > 1:
            data = np.array([[float(read(u.panel[e])) for u in units] for e in experts])
            alpha, low, high = alpha_interval(data, level)
            found[name] = {"alpha": alpha, "low": low, "high": high, "exact": exact_agreement(data)}
    return found


def _values(metric: Metric, units: Sequence[Any]) -> tuple[list[Any], list[float]]:
    """The units that the metric is defined for, and its top there."""
    tops = [float(metric.top(u)) for u in units]
    return [u for u, t in zip(units, tops, strict=True) if not math.isnan(t)], [
        t for t in tops if not math.isnan(t)
    ]


def _pooled(
    units: Sequence[Any], key: str, tops: Sequence[float], bottoms: Sequence[float], bootstrap: int, seed: int
) -> Interval:
    """Sum over sum, resampled by scenario."""
    groups: dict[str, list[float]] = {}
    for unit, top, bottom in zip(units, tops, bottoms, strict=True):
        group = groups.setdefault(getattr(unit, key), [0.0, 0.0])
        group[0] += top
        group[1] += bottom
    pairs = list(groups.values())
    return bootstrap_ratio([p[0] for p in pairs], [p[1] for p in pairs], seed, bootstrap)


def _figure(metric: Metric, given: Sequence[Any], bootstrap: int, seed: int) -> Interval | None:
    units, tops = _values(metric, given)
    if not units:
        return None
    key = _ID[metric.of]
    if metric.kind == "share" and len({getattr(u, key) for u in units}) == len(units):
        return wilson(int(sum(tops)), len(tops))
    bottoms = [float(metric.bottom(u)) for u in units] if metric.kind == "ratio" else [1.0] * len(units)
    return _pooled(units, key, tops, bottoms, bootstrap, seed)


def _differences(base: SystemResult, other: SystemResult, bootstrap: int, seed: int) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for metric in METRICS:
        left, right = (_by_context(metric, getattr(s, metric.of)) for s in (base, other))
        pairs = [(left[k], right[k]) for k in left if k in right]
        if not pairs:
            continue
        if metric.kind == "ratio":
            found[metric.key] = _ratio_difference(pairs, bootstrap, seed)
            continue
        a, b = [x[0] / x[1] for x, _ in pairs], [y[0] / y[1] for _, y in pairs]
        plain = paired_bootstrap(a, b, seed, bootstrap)
        if metric.kind == "share" and all(x[1] == y[1] == 1 for x, y in pairs):
            p, gained, lost = mcnemar_exact([x > 0.5 for x in a], [x > 0.5 for x in b])
            plain = Difference(plain.value, plain.low, plain.high, p, plain.n, gained, lost)
        found[metric.key] = plain
    return found


def _by_context(metric: Metric, given: Sequence[Any]) -> dict[str, tuple[float, float]]:
    """context -> (sum of top, sum of bottom) over its trials; for means and shares bottom counts the trials."""
    units, tops = _values(metric, given)
    out: dict[str, tuple[float, float]] = {}
    for unit, top in zip(units, tops, strict=True):
        bottom = float(metric.bottom(unit)) if metric.kind == "ratio" else 1.0
        before = out.get(getattr(unit, _ID[metric.of]), (0.0, 0.0))
        out[getattr(unit, _ID[metric.of])] = (before[0] + top, before[1] + bottom)
    return out


def _ratio_difference(
    pairs: list[tuple[tuple[float, float], tuple[float, float]]], bootstrap: int, seed: int
) -> Difference:
    """Difference of two ratios of sums, by linearisation around each ratio (rows stay paired by context)."""
    top_a, bottom_a = [x[0] for x, _ in pairs], [x[1] for x, _ in pairs]
    top_b, bottom_b = [y[0] for _, y in pairs], [y[1] for _, y in pairs]
    if not sum(bottom_a) or not sum(bottom_b):
        return Difference(math.nan, math.nan, math.nan, math.nan, len(pairs))
    ratio_a, ratio_b = sum(top_a) / sum(bottom_a), sum(top_b) / sum(bottom_b)
    mean_a, mean_b = sum(bottom_a) / len(pairs), sum(bottom_b) / len(pairs)
    a = [ratio_a + (t - ratio_a * d) / mean_a for t, d in zip(top_a, bottom_a, strict=True)]
    b = [ratio_b + (t - ratio_b * d) / mean_b for t, d in zip(top_b, bottom_b, strict=True)]
    return paired_bootstrap(a, b, seed, bootstrap)
