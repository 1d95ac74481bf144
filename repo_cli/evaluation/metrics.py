"""Figures of several systems on the same scenarios: each with its interval, and paired differences to a baseline.

Systems are paired by scenario id (bad cases by case id): only contexts that both systems met enter a difference.
p-values of one metric's comparisons are adjusted by Holm over the systems.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from repo_cli.evaluation.result import HARD, SKILLS, BadCase, Dialogue, EvalResult, SystemResult
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
    "BadCase",
    "Dialogue",
    "EvalResult",
    "Metric",
    "METRICS",
    "Summary",
    "SystemResult",
    "summarise",
    "words",
]

_CJK = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[A-Za-z0-9]+(?:['.:-][A-Za-z0-9]+)*")


def words(text: str) -> int:
    """Words of an English text; characters and figures of a Chinese one."""
    return len(_CJK.findall(text)) + len(_WORD.findall(text))


@dataclass(frozen=True)
class Metric:
    """One figure. `better` is +1 when higher is better, -1 when lower is, 0 when neither.

    kind: mean (of `top` over units), share (`top` is 0/1) or ratio (sum of top over sum of bottom).
    unit: how it is shown, "score", "%" or "number"; `scale` multiplies it for show.
    """

    key: str
    label: str
    kind: str
    of: str
    top: Callable[[Any], float]
    bottom: Callable[[Any], float] = lambda _: 1.0
    unit: str = "number"
    better: int = 1
    scale: float = 1.0
    group: str = "main"


def _breaches(dialogue: Dialogue, low: int = 1, high: int = 3) -> int:
    return sum(low <= severity <= high for _, _, severity in dialogue.violations)


def _replies(dialogue: Dialogue) -> int:
    return len(dialogue.turns)


def _skill(name: str) -> Callable[[Dialogue], float]:
    return lambda dialogue: float(dialogue.skills.get(name, 0))


METRICS: tuple[Metric, ...] = (
    Metric("rating", "Rating (1-5)", "mean", "dialogues", lambda d: d.rating, unit="score"),
    Metric(
        "excellent",
        "Dialogues with an excellent reply",
        "share",
        "dialogues",
        lambda d: float(d.excellent_turns > 0),
        unit="%",
        scale=100,
    ),
    Metric(
        "excellent_turns",
        "Excellent replies",
        "ratio",
        "dialogues",
        lambda d: d.excellent_turns,
        _replies,
        unit="%",
        scale=100,
    ),
    Metric(
        "violations",
        "Violations / 100 replies",
        "ratio",
        "dialogues",
        _breaches,
        _replies,
        better=-1,
        scale=100,
    ),
    Metric(
        "hard",
        "Hard violations / 100",
        "ratio",
        "dialogues",
        lambda d: _breaches(d, HARD),
        _replies,
        better=-1,
        scale=100,
    ),
    Metric(
        "soft",
        "Soft violations / 100",
        "ratio",
        "dialogues",
        lambda d: _breaches(d, 1, HARD - 1),
        _replies,
        better=-1,
        scale=100,
        group="more",
    ),
    Metric("deals", "Deals", "share", "dialogues", lambda d: float(d.deal), unit="%", scale=100),
    Metric(
        "correct_end", "Right end", "share", "dialogues", lambda d: float(d.correct_end), unit="%", scale=100
    ),
    *(
        Metric(
            f"skill_{s}",
            f"Skill: {s}",
            "share",
            "dialogues",
            _skill(s),
            unit="%",
            scale=100,
            group="skills",
        )
        for s in SKILLS
    ),
    Metric("turns", "Agent turns", "mean", "dialogues", _replies, better=0, group="more"),
    Metric(
        "words",
        "Words / reply",
        "ratio",
        "dialogues",
        lambda d: sum(map(words, d.replies)),
        lambda d: len(d.replies),
        better=0,
    ),
    Metric(
        "fixed",
        "Bad cases fixed",
        "share",
        "badcases",
        lambda c: float(c.fixed),
        unit="%",
        scale=100,
        group="badcases",
    ),
    Metric(
        "clean",
        "Bad cases cleanly fixed",
        "share",
        "badcases",
        lambda c: float(c.clean),
        unit="%",
        scale=100,
        group="badcases",
    ),
    Metric(
        "severe",
        "Severe defects left",
        "share",
        "badcases",
        lambda c: float(c.severe_unresolved),
        unit="%",
        better=-1,
        scale=100,
        group="badcases",
    ),
    Metric(
        "badcase_rating",
        "Bad cases: rating",
        "mean",
        "badcases",
        lambda c: c.rating,
        unit="score",
        group="badcases",
    ),
)

BY_KEY = {metric.key: metric for metric in METRICS}


@dataclass
class Summary:
    """systems[name][metric key] -> Interval; differences[name][metric key] -> Difference to the baseline (in the
    metric's own units, not scaled); p_holm likewise; kinds[name] -> breaches of each kind per 100 replies."""

    baseline: str | None
    systems: dict[str, dict[str, Interval]] = field(default_factory=dict)
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)
    p_holm: dict[str, dict[str, float]] = field(default_factory=dict)
    kinds: dict[str, dict[str, tuple[float, int]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "baseline": self.baseline,
            "systems": {n: {k: v.as_dict() for k, v in m.items()} for n, m in self.systems.items()},
            "differences": {n: {k: v.as_dict() for k, v in m.items()} for n, m in self.differences.items()},
            "p_holm": self.p_holm,
            "kinds": self.kinds,
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
            units = getattr(system, metric.of)
            if units:
                summary.systems[name][metric.key] = _figure(metric, units, bootstrap, seed)
        summary.kinds[name] = kinds_per_100(system.dialogues)
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


def _figure(metric: Metric, units: list[Any], bootstrap: int, seed: int) -> Interval:
    top = [float(metric.top(u)) for u in units]
    if metric.kind == "share":
        return wilson(int(sum(top)), len(top))
    if metric.kind == "mean":
        return bootstrap_mean(top, seed, bootstrap)
    return bootstrap_ratio(top, [float(metric.bottom(u)) for u in units], seed, bootstrap)


def _differences(base: SystemResult, other: SystemResult, bootstrap: int, seed: int) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for metric in METRICS:
        pairs = _paired(metric.of, base, other)
        if not pairs:
            continue
        if metric.kind == "ratio":
            found[metric.key] = _ratio_difference(metric, pairs, bootstrap, seed)
            continue
        a, b = [float(metric.top(x)) for x, _ in pairs], [float(metric.top(y)) for _, y in pairs]
        plain = paired_bootstrap(a, b, seed, bootstrap)
        if metric.kind == "share":
            p, gained, lost = mcnemar_exact([x > 0.5 for x in a], [x > 0.5 for x in b])
            plain = Difference(plain.value, plain.low, plain.high, p, plain.n, gained, lost)
        found[metric.key] = plain
    return found


def _paired(of: str, base: SystemResult, other: SystemResult) -> list[tuple[Any, Any]]:
    """Units that both systems met, by id and, where an id occurs more than once, by its order of appearance."""
    key = "scenario_id" if of == "dialogues" else "case_id"
    left, right = _numbered(getattr(base, of), key), _numbered(getattr(other, of), key)
    return [(left[k], right[k]) for k in left if k in right]


def _numbered(units: list[Any], key: str) -> dict[tuple[str, int], Any]:
    seen: Counter[str] = Counter()
    out = {}
    for unit in units:
        name = getattr(unit, key)
        out[(name, seen[name])] = unit
        seen[name] += 1
    return out


def _ratio_difference(metric: Metric, pairs: list[tuple[Any, Any]], bootstrap: int, seed: int) -> Difference:
    """Difference of two ratios of sums, by linearisation around each ratio (rows stay paired by context)."""
    top_a, bottom_a = [metric.top(x) for x, _ in pairs], [metric.bottom(x) for x, _ in pairs]
    top_b, bottom_b = [metric.top(y) for _, y in pairs], [metric.bottom(y) for _, y in pairs]
    if not sum(bottom_a) or not sum(bottom_b):
        return Difference(math.nan, math.nan, math.nan, math.nan, len(pairs))
    ratio_a, ratio_b = sum(top_a) / sum(bottom_a), sum(top_b) / sum(bottom_b)
    mean_a, mean_b = sum(bottom_a) / len(pairs), sum(bottom_b) / len(pairs)
    a = [ratio_a + (t - ratio_a * d) / mean_a for t, d in zip(top_a, bottom_a, strict=True)]
    b = [ratio_b + (t - ratio_b * d) / mean_b for t, d in zip(top_b, bottom_b, strict=True)]
    return paired_bootstrap(a, b, seed, bootstrap)
