"""The figures of one evaluation as the page shows them: the table, differences, violations, agreement, and each figure
drawn with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from repo_cli.evaluation import show
from repo_cli.evaluation.metrics import BY_KEY, METRICS, EvalResult, Metric, Summary
from repo_cli.evaluation.report import bars
from repo_cli.evaluation.report.cases import against_gold, bad_cases
from repo_cli.evaluation.report.dialogues import pairs
from repo_cli.evaluation.result import HARD

#: The columns of the table, where there is anything to show.
HEADLINE = (
    "rating", "excellent", "persuasion", "violations", "hard", "rule_breaks", "deals", "correct_end", "progress",
    "fixed", "clean", "severe", "wins", "skill_fluency", "skill_workflow", "skill_negotiation", "skill_scope", "words",
)  # fmt: skip


def evaluation(name: str, result: EvalResult, summary: Summary, about: Mapping[str, str]) -> dict[str, Any]:
    """All that the template needs of one evaluation; `about` says what each rule is for."""
    tones = {system: f"s{i % 8}" for i, system in enumerate(result.systems)}
    return {
        "name": name,
        "baseline": summary.baseline,
        "systems": [
            {"name": s, "tone": tones[s], "dialogues": len(r.dialogues), "badcases": len(r.badcases)}
            for s, r in result.systems.items()
        ],
        "table": _table(summary, tones),
        "groups": _groups(summary, tones),
        "differences": _differences(summary),
        "kinds": _kinds(summary),
        "rates": _rates(summary, result, about),
        "agreement": _agreement(summary),
        "pass_k": _pass_k(summary),
        "faults": [{"name": n, "count": c} for n, c in summary.faults.items()],
        "pairs": pairs(result, summary.baseline, about),
        "cases": bad_cases(result, summary.baseline),
        "gold": against_gold(result),
    }


def _table(summary: Summary, tones: Mapping[str, str]) -> dict[str, Any]:
    """One row a system, one column a figure; the best of a column is marked, and what is clearly better or worse than
    the baseline's."""
    keys = [k for k in HEADLINE if any(k in found for found in summary.systems.values())]
    best = {}
    for key in keys:
        metric = BY_KEY[key]
        values = [f[key].value for f in summary.systems.values() if key in f and not math.isnan(f[key].value)]
        if metric.better and len(values) > 1 and len(set(values)) > 1:
            best[key] = max(values) if metric.better > 0 else min(values)
    rows = []
    for name, found in summary.systems.items():
        cells = []
        for key in keys:
            if key not in found:
                cells.append({"value": "–", "interval": "", "sort": "", "word": "", "best": False})
                continue
            metric, figure = BY_KEY[key], found[key]
            value, _, interval = show.interval(figure, metric).partition(" ")
            change = summary.differences.get(name, {}).get(key)
            cells.append(
                {
                    "value": value,
                    "interval": interval,
                    "sort": "" if math.isnan(figure.value) else f"{figure.value:.6g}",
                    "word": show.verdict(change, metric) if change is not None else "",
                    "best": figure.value == best.get(key),
                }
            )
        rows.append({"name": name, "tone": tones[name], "cells": cells, "baseline": name == summary.baseline})
    return {
        "columns": [
            {"label": BY_KEY[k].label.replace("-", "\u2011"), "better": BY_KEY[k].better} for k in keys
        ],
        "rows": rows,
    }


_GROUPS = (
    ("main", "Dialogues"),
    ("panel", "Panel of simulated experts"),
    ("prices", "Prices and surplus"),
    ("badcases", "Bad cases"),
    ("replies", "Replies to recorded contexts"),
    ("persuasion", "Persuasive ability"),
    ("skills", "Skills"),
    ("more", "More"),
)


def _groups(summary: Summary, tones: dict[str, str]) -> list[dict[str, Any]]:
    """Panels by group: one metric each, one bar for every system on a common axis."""
    groups = []
    for key, title in _GROUPS:
        panels = []
        for metric in (m for m in METRICS if m.group == key):
            rows = [
                (name, found[metric.key]) for name, found in summary.systems.items() if metric.key in found
            ]
            if not rows:
                continue
            start, end = _axis(metric, [v for _, i in rows for v in (i.low, i.high, i.value)])
            panels.append(
                {
                    "label": metric.label,
                    "better": {1: "higher is better", -1: "lower is better", 0: ""}[metric.better],
                    "rows": [
                        {
                            "name": n,
                            "text": show.interval(i, metric),
                            "bar": bars.bar(i.value, i.low, i.high, start, end, tones[n]),
                        }
                        for n, i in rows
                    ],
                    "start": show.number(start, metric),
                    "end": show.number(end, metric),
                }
            )
        if panels:
            groups.append({"title": title, "panels": panels})
    return groups


def _axis(metric: Metric, values: list[float]) -> tuple[float, float]:
    if metric.unit == "score":
        return 1.0, 5.0
    finite = [v for v in values if math.isfinite(v)]
    if metric.kind == "share" or metric.unit == "%":
        return min([0.0, *finite]), max([1.0, *finite])
    return 0.0, (max(finite) * 1.1 if finite and max(finite) > 0 else 1.0)


def _differences(summary: Summary) -> list[dict[str, Any]]:
    """Forest rows: for each metric the paired difference of every system to the baseline."""
    out = []
    for metric in METRICS:
        rows = [(n, d[metric.key]) for n, d in summary.differences.items() if metric.key in d]
        if not rows or metric.group in ("skills", "more"):
            continue
        reach = (
            max((abs(v) for _, d in rows for v in (d.value, d.low, d.high) if math.isfinite(v)), default=1.0)
            * 1.1
            or 1.0
        )
        items = []
        for name, found in rows:
            word = show.verdict(found, metric)
            p = show.p_value(summary.p_holm.get(name, {}).get(metric.key, math.nan))
            moved = f"{found.gained} gained, {found.lost} lost" if found.gained is not None else ""
            picture = bars.bar(found.value, found.low, found.high, -reach, reach, word, zero=0.0)
            items.append(
                {
                    "name": name,
                    "text": show.difference(found, metric),
                    "word": word,
                    "p": p,
                    "moved": moved,
                    "bar": picture,
                }
            )
        out.append({"label": metric.label, "n": rows[0][1].n, "rows": items})
    return out


def _kinds(summary: Summary) -> dict[str, Any]:
    """Breaches by kind, per 100 replies, one column a system; the worst kinds first."""
    severity: dict[str, int] = {}
    for kinds in summary.kinds.values():
        for kind, (_, worst) in kinds.items():
            severity[kind] = max(worst, severity.get(kind, 0))
    order = sorted(
        severity, key=lambda k: (-severity[k], -max(s.get(k, (0, 0))[0] for s in summary.kinds.values()))
    )
    rows = [
        {
            "kind": kind,
            "hard": severity[kind] >= HARD,
            "values": [f"{s.get(kind, (0.0, 0))[0]:.1f}" for s in summary.kinds.values()],
        }
        for kind in order
    ]
    return {"systems": list(summary.kinds), "rows": rows}


def _rates(summary: Summary, result: EvalResult, about: Mapping[str, str]) -> dict[str, Any]:
    """Rules of the configured set that were broken, per 100 replies with intervals; the most frequent first."""
    severity = {h.rule: h.severity for s in result.systems.values() for d in s.dialogues for h in d.rules}
    most: dict[str, float] = {}
    for found in summary.rates.values():
        for hit, rate in found.items():
            if hit.startswith("rule:"):
                most[hit] = max(rate.value, most.get(hit, 0.0))
    rows = []
    top = max(most.values(), default=0.0)
    for hit in sorted(most, key=lambda h: -most[h]):
        rule = hit.removeprefix("rule:")
        cells = []
        for name in summary.systems:
            figure = summary.rates[name].get(hit)
            cells.append(
                {
                    "value": "0" if figure is None else f"{figure.value:.2f}",
                    "interval": "" if figure is None else f"[{figure.low:.2f}, {figure.high:.2f}]",
                    "sort": "0" if figure is None else f"{figure.value:.6g}",
                    "share": 0.0 if figure is None or not top else round(100 * figure.value / top, 1),
                }
            )
        rows.append(
            {"rule": rule, "about": about.get(rule, ""), "hard": severity.get(rule) == "hard", "cells": cells}
        )
    return {"systems": list(summary.systems), "rows": rows}


def _agreement(summary: Summary) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "alpha": "–" if math.isnan(a["alpha"]) else f"{a['alpha']:.2f} [{a['low']:.2f}, {a['high']:.2f}]",
            "exact": "–" if math.isnan(a["exact"]) else f"{100 * a['exact']:.0f}%",
        }
        for name, a in summary.agreement.items()
    ]


def _pass_k(summary: Summary) -> dict[str, Any]:
    ks = sorted({k for found in summary.pass_k.values() for k in found})
    share = BY_KEY["correct_end"]
    rows = [
        {"name": n, "values": [show.interval(found[k], share) if k in found else "–" for k in ks]}
        for n, found in summary.pass_k.items()
        if found
    ]
    return {"ks": ks, "rows": rows}
