"""`report.html`: one page, no network, that a person can read on a phone: figures, curves, dialogues, bad cases.

All text of models and partners is untrusted. The template is rendered with Jinja2's autoescape; the only raw markup
is the SVG of `svg.py`, which is made of numbers alone, and the page forbids scripts by its own content policy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError
from repo_cli.evaluation import rm_report, rm_view, show, svg
from repo_cli.evaluation.metrics import BY_KEY, METRICS, Dialogue, EvalResult, Metric, Summary, summarise
from repo_cli.evaluation.result import EXCELLENT, HARD
from repo_cli.evaluation.runs import read_metrics, run_view

_PAIRS, _CASES = 6, 8


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("repo_cli.evaluation"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2")


def write_report(
    result: EvalResult,
    path: Path,
    runs: Sequence[Path] = (),
    bootstrap: int = 2000,
    title: str = "repo evaluation",
) -> Path:
    """Writes the page for one evaluation, with the training curves of `runs`; returns the path."""
    return _write(path, [("", result)], runs, bootstrap, title)


def report_runs(runs: Sequence[Path], out: Path, bootstrap: int = 2000) -> Path:
    """The page for run directories: every eval.json and every metrics.jsonl that they hold."""
    results = [
        (run.name, EvalResult.load(run / "eval.json"))
        for run in map(Path, runs)
        if (run / "eval.json").is_file()
    ]
    with_curves = [run for run in map(Path, runs) if (run / "metrics.jsonl").is_file()]
    scored = [run for run in map(Path, runs) if (run / rm_report.NAME).is_file()]
    reward_models = [rm_view.view(rm_report.load(run), "/".join(run.parts[-3:])) for run in scored]
    if not results and not with_curves and not scored:
        names = ", ".join(str(r) for r in runs)
        raise UserError(
            f"{names}: neither eval.json nor metrics.jsonl there",
            hint="give run directories of `repo rl` or `repo eval`",
        )
    return _write(out, results, with_curves, bootstrap, "repo report", reward_models)


def write_rm_page(found: dict[str, Any], path: Path, name: str = "") -> Path:
    """The page for one reward model (rm_report.py); returns the path."""
    return _write(path, [], [], 0, "repo train-rm", [rm_view.view(found, name)])


def _write(
    path: Path,
    results: list[tuple[str, EvalResult]],
    runs: Sequence[Path],
    bootstrap: int,
    title: str,
    reward_models: Sequence[dict[str, Any]] = (),
) -> Path:
    page = _template().render(
        title=title,
        evaluations=[_evaluation(name, result, bootstrap) for name, result in results],
        reward_models=reward_models,
        runs=[run_view(Path(run)) for run in runs],
        excellent=EXCELLENT,
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _evaluation(name: str, result: EvalResult, bootstrap: int) -> dict[str, Any]:
    summary = summarise(result, bootstrap=bootstrap)
    tones = {system: f"s{i % 8}" for i, system in enumerate(result.systems)}
    return {
        "name": name,
        "baseline": summary.baseline,
        "systems": [
            {"name": s, "tone": tones[s], "dialogues": len(r.dialogues), "badcases": len(r.badcases)}
            for s, r in result.systems.items()
        ],
        "groups": _groups(summary, tones),
        "differences": _differences(summary),
        "kinds": _kinds(summary),
        "rates": _rates(summary),
        "agreement": _agreement(summary),
        "pass_k": _pass_k(summary),
        "faults": [{"name": n, "count": c} for n, c in summary.faults.items()],
        "pairs": _pairs(result, summary.baseline),
        "cases": _cases(result),
        "config": json.dumps(result.config, indent=2, ensure_ascii=False, default=str)
        if result.config
        else "",
    }


_GROUPS = (
    ("main", "Dialogues"),
    ("panel", "Panel of simulated experts"),
    ("prices", "Prices and surplus"),
    ("badcases", "Bad cases"),
    ("replies", "Replies to recorded contexts"),
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
                            "bar": svg.bar(i.value, i.low, i.high, start, end, tones[n]),
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
            picture = svg.bar(found.value, found.low, found.high, -reach, reach, word, zero=0.0)
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


def _rates(summary: Summary) -> dict[str, Any]:
    """Breaches of each rule of the configured set per 100 replies, with intervals."""
    hits = sorted({hit for found in summary.rates.values() for hit in found if hit.startswith("rule:")})
    rows = []
    for hit in hits:
        found = [summary.rates[n].get(hit) for n in summary.systems]
        cells = ["–" if f is None else f"{f.value:.2f} [{f.low:.2f}, {f.high:.2f}]" for f in found]
        rows.append({"rule": hit.removeprefix("rule:"), "values": cells})
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


def _pairs(result: EvalResult, baseline: str | None) -> list[dict[str, Any]]:
    """Dialogues of the baseline and of the last other system on the same scenario.

    Not only the flattering ones: the largest gains, the largest losses and some from the middle.
    """
    others = [n for n in result.systems if n != baseline]
    if baseline is None or not result.systems[baseline].dialogues:
        return []
    after = others[-1] if others else baseline
    left = {d.scenario_id: d for d in result.systems[baseline].dialogues}
    both = [(left[d.scenario_id], d) for d in result.systems[after].dialogues if d.scenario_id in left]
    both.sort(key=lambda pair: pair[1].rating - pair[0].rating)
    third, middle = _PAIRS // 3, len(both) // 2
    labelled = [("gained most", i) for i in range(len(both) - 1, max(-1, len(both) - 1 - third), -1)]
    labelled += [("typical", i) for i in range(middle, min(middle + third, len(both)))]
    labelled += [("lost most", i) for i in range(min(third, len(both)))]
    pairs, seen = [], set()
    for label, index in labelled:
        if index in seen:
            continue
        seen.add(index)
        before, now = both[index]
        sides = [_dialogue(baseline, before)] + ([_dialogue(after, now)] if others else [])
        pairs.append(
            {
                "label": label if others else "sample",
                "id": now.scenario_id,
                "brief": _brief(now),
                "sides": sides,
            }
        )
    return pairs


def _brief(dialogue: Dialogue) -> str:
    s = dialogue.scenario
    if "current_price" not in s:
        return ""
    hotel = s.get("hotel") or {}
    dates = " to ".join(map(str, s.get("dates", [])))
    where = f"{hotel.get('name', '')} ({hotel.get('class', '')}), {s.get('room_type', '')}, {dates}"
    prices = f"now {s.get('current_price')}, target {s.get('target_price')}, acceptable {s.get('acceptable_price')}"
    return f"{where}: {prices} {s.get('currency', '')}"


def _dialogue(name: str, dialogue: Dialogue) -> dict[str, Any]:
    lines, turn = [], 0
    for message in dialogue.messages:
        if message["role"] == "system":
            continue
        line: dict[str, Any] = {
            "agent": message["role"] == "assistant",
            "text": message["content"],
            "rating": None,
            "breaches": [],
        }
        if line["agent"]:
            if turn < len(dialogue.turns) and not math.isnan(dialogue.turns[turn]):
                line["rating"] = f"{dialogue.turns[turn]:.1f}"
                line["tone"] = _tone(dialogue.turns[turn])
            line["breaches"] = [
                {"kind": k, "hard": s >= HARD} for t, k, s in dialogue.violations if t == turn
            ]
            turn += 1
        lines.append(line)
    outcome = dialogue.outcome
    end = (
        f"deal at {outcome.get('price')}" if dialogue.deal else f"no deal ({outcome.get('reason', 'ended')})"
    )
    return {
        "name": name,
        "rating": "not rated" if math.isnan(dialogue.rating) else f"{dialogue.rating:.2f}",
        "tone": _tone(dialogue.rating),
        "lines": lines,
        "end": end,
        "right": dialogue.correct_end,
    }


def _tone(rating: float) -> str:
    return "good" if rating >= 4 else ("bad" if rating < 2.5 else "fair")


def _cases(result: EvalResult) -> list[dict[str, Any]]:
    """Bad cases of the last system, unfixed ones first, with its reply beside the recorded one."""
    name = next((n for n in reversed(result.systems) if result.systems[n].badcases), None)
    if name is None:
        return []
    cases = sorted(result.systems[name].badcases, key=lambda c: (not c.severe_unresolved, c.fixed, c.clean))
    out = []
    for case in [*cases[: _CASES // 2], *cases[max(_CASES // 2, len(cases) - _CASES // 2) :]]:
        turns = {int(d.get("turn", 0)) for d in case.defects}
        agent = [i for i, m in enumerate(case.messages) if m["role"] == "assistant"]
        shown = []
        for turn in sorted(turns):
            if turn < len(agent) and turn < len(case.replies):
                before = (
                    case.messages[agent[turn] - 1]["content"]
                    if agent[turn] > 0 and case.messages[agent[turn] - 1]["role"] == "user"
                    else ""
                )
                defects = ", ".join(
                    f"{d.get('kind')} (severity {d.get('severity')})"
                    for d in case.defects
                    if int(d.get("turn", 0)) == turn
                )
                shown.append(
                    {
                        "before": before,
                        "recorded": case.messages[agent[turn]]["content"],
                        "reply": case.replies[turn],
                        "defects": defects,
                    }
                )
        state = (
            "severe defect left"
            if case.severe_unresolved
            else ("clean" if case.clean else ("fixed" if case.fixed else "not fixed"))
        )
        out.append(
            {
                "id": case.case_id,
                "system": name,
                "state": state,
                "tone": "good" if case.clean else ("fair" if case.fixed else "bad"),
                "rating": "–" if math.isnan(case.rating) else f"{case.rating:.2f}",
                "turns": shown,
            }
        )
    return out


__all__ = ["read_metrics", "report_runs", "write_report"]
