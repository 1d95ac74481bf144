"""Training runs as the page shows them: reward by component, reward hacking, persuasive ability, rules, alarms, and
everything else that was logged. Runs of one stage (three seeds, say) share their charts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import mean
from typing import Any

from repo_cli.config.own import ENDINGS
from repo_cli.evaluation.report.charts import Line, card, line_chart, number, spark, timeline
from repo_cli.evaluation.report.hacking import hacking, persuasion_curve
from repo_cli.evaluation.report.logs import Points, RunLog
from repo_cli.evaluation.report.provenance import part, rules_about
from repo_cli.evaluation.report.together import without_prefix

#: Metric, title, unit. The reward of RL by component first, then what tells of the state of training.
REWARDS = (
    ("reward/total", "Total reward", "what the policy is trained on, mean of the step"),
    ("reward/rm", "Reward model", "calibrated score, mean of the step"),
    ("reward/judge", "Judge", "weighted mean of the criteria, −1 to 1"),
    ("reward/rules", "Rules", "sum of the weights that a reply earns, mean"),
    ("reward/enhancement", "Enhancement E/n", "judge and rules together, −1 to 1"),
    ("reward/hard_broken_frac", "Replies that break a hard rule", "share of the step's replies"),
)
STATE = (
    ("rollout/length_mean", "Reply length", "tokens"),
    ("policy/entropy", "Entropy of the policy", "nats per token"),
    ("policy/approx_kl", "Policy's move in a step", "KL, nats per token"),
    ("policy/clip_frac", "Clipped", "share of tokens"),
    ("critic/explained_variance", "Critic: explained variance", "1 = all of it"),
    ("rollout/truncated_frac", "Replies cut at the limit", "share"),
    ("rollout/repetition", "Repeated 4-grams", "share"),
    ("rollout/deal_frac", "Dialogues closed with a deal", "share"),
    ("judge/fail_rate", "Judge failed", "share of calls"),
    ("timing/step_s", "Time of a step", "seconds"),
    ("memory/peak_gib", "Peak memory", "GiB"),
)
OWN = "reward/own/"  # rewards of the user's own, by name
_LINES = 7  # lines in one chart
_OTHERS = 60  # further columns drawn
_RULES = 14  # rules in the table


def training(logs: Sequence[RunLog]) -> list[dict[str, Any]]:
    """One part of the page for each stage, RL first; runs in the order given."""
    order = {"rl": 0, "dpo": 1, "train_rm": 2, "sft": 3}
    ranked = sorted(logs, key=lambda log: (order.get(log.stage, 9), log.stage))
    return [_stage(stage, _few(list(runs))) for stage, runs in groupby(ranked, key=lambda log: log.stage)]


def _few(runs: list[RunLog]) -> list[RunLog]:
    """Runs whose lines can be told apart: where there are too many, those of one name (its seeds) as their mean."""
    names = [str(run.config.get("name") or "") for run in runs]
    if len(runs) <= _LINES or not all(names) or len(set(names)) == len(runs):
        return runs
    means = []
    for label, name in zip(without_prefix(list(dict.fromkeys(names))), dict.fromkeys(names), strict=True):
        same = [run for run, its in zip(runs, names, strict=True) if its == name]
        series = {key: _mean_of(same, key) for key in dict.fromkeys(k for run in same for k in run.series)}
        alarms = [alarm for run in same for alarm in run.alarms]
        warnings = [line for run in same for line in run.warnings]
        first = same[0]
        means.append(
            RunLog(label, first.path, first.stage, first.config, series, alarms, warnings, len(same))
        )
    return means


def _stage(stage: str, runs: list[RunLog]) -> dict[str, Any]:
    tones = {id(run): f"s{1 + i % 7}" for i, run in enumerate(runs)}
    known = [key for key, _, _ in (*REWARDS, *STATE)]
    keys = list(dict.fromkeys(key for run in runs for key in run.series))
    is_rl = any(key.startswith("reward/") for key in keys)
    mine = [(k, f"Your own: {k.removeprefix(OWN)}", "mean of the step") for k in keys if _is_own(k)]
    known += [key for key, _, _ in mine]
    # drawn in parts of their own, or too many for charts
    apart = ("dev/", "reward/rules/", "reward/judge/", "rules/", "criteria/")
    others = [k for k in keys if k not in known and not k.startswith(apart)]
    others.sort(key=lambda k: (not k.startswith(stage), k.startswith(("timing/", "memory/")), k))
    named = [(key, key, "") for key in others]
    first, rest = (named[:6], named[6:]) if not is_rl else ([], named)
    return {
        "stage": stage,
        "title": {"rl": "Reinforcement learning", "sft": "Supervised fine-tuning", "train_rm": "Reward model",
                  "dpo": "Preference optimisation"}.get(stage, stage or "Training"),
        "runs": [
            {"name": r.label, "tone": tones[id(r)], "steps": f"{r.last_step:g}", "count": r.count} for r in runs
        ],
        "is_rl": is_rl,
        "rewards": _cards(_units((*REWARDS, *mine), runs) if is_rl else first, runs, tones, smooth=True)
        + ([_criteria(runs), _shares(runs)] if is_rl else []),
        "hacking": hacking(runs, tones) if is_rl else None,
        "persuasion": persuasion_curve(runs, tones) if is_rl else None,
        "state": _cards(STATE, runs, tones, smooth=True),
        "rules": _rules(runs) if is_rl else [],
        "alarms": _alarms(runs),
        "others": _cards(rest[:_OTHERS], runs, tones, smooth=True),
        "left_out": max(0, len(rest) - _OTHERS),
    }  # fmt: skip


def _is_own(key: str) -> bool:
    """Whether this is the mean of a reward of the user's own."""
    return key.startswith(OWN) and not key.endswith(ENDINGS)


def _units(named: Sequence[tuple[str, str, str]], runs: list[RunLog]) -> list[tuple[str, str, str]]:
    """The reward model's unit is the scale that the runs chose."""
    scales = dict.fromkeys(str(part(run.config, "rm").get("scale") or "") for run in runs)
    scale = " and ".join(filter(None, scales))
    return [(k, t, f"{u} (rm.scale {scale})" if k == "reward/rm" and scale else u) for k, t, u in named]


def _cards(
    named: Sequence[tuple[str, str, str]], runs: list[RunLog], tones: dict[int, str], smooth: bool
) -> list[dict[str, Any]]:
    """A chart for each metric that some run has: every run a line."""
    cards = []
    for key, title, unit in named:
        having = [run for run in runs if len(run.series.get(key, [])) > 1]
        if having:
            lines = [Line(run.label, run.series[key], tones[id(run)], smooth) for run in having]
            change = [_change(run.series[key]) for run in having]
            chart = line_chart(lines, about=f"{title} over steps: {'; '.join(change)}")
            cards.append(card(title, unit, chart, change[0] if len(change) == 1 else ""))
    return cards


def _change(points: Points) -> str:
    """From the mean of the first tenth of the steps to that of the last."""
    width = max(1, len(points) // 10)
    first, last = (mean(v for _, v in some) for some in (points[:width], points[-width:]))
    return f"{number(first)} → {number(last)}"


def _criteria(runs: list[RunLog]) -> dict[str, Any] | None:
    """The judge's criteria, the mean over the runs."""
    keys = sorted({k for run in runs for k in run.series if k.startswith("reward/judge/")})
    names = {k: k.removeprefix("reward/judge/") for k in keys}
    lines = [Line(names[k], _mean_of(runs, k), f"s{1 + i % 7}", True) for i, k in enumerate(keys[:7])]
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return None
    given = part(runs[0].config, "rubric", "criteria")
    about = [(n, part(given, n).get("name")) for n in names.values()]
    note = "; ".join(f"{n} {name}" for n, name in about if name)
    chart = line_chart(lines, about="the judge's criteria over steps")
    return card("Judge by criterion", "expected score, 1 to 5", chart, note=note)


def _shares(runs: list[RunLog]) -> dict[str, Any] | None:
    """Which source the spread of the total reward comes from."""
    share = "reward/variance_share/"
    logged = {k.removeprefix(share) for run in runs for k in run.series if k.startswith(share)}
    own = sorted(s for s in logged if s.startswith("own/"))
    sources = [s for s in ("rm", "judge", "rules", *own) if s in logged][:_LINES]
    lines = [
        Line({"rm": "reward model"}.get(s, s), _mean_of(runs, share + s), f"s{1 + i}", True)
        for i, s in enumerate(sources)
    ]
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return None
    chart = line_chart(lines, about="share of the variance of the total reward by source")
    return card("Who decides", "share of the total reward's variance", chart)


def _mean_of(runs: list[RunLog], key: str) -> Points:
    by_step: dict[float, list[float]] = {}
    for run in runs:
        for step, value in run.series.get(key, []):
            by_step.setdefault(step, []).append(value)
    return [(step, mean(values)) for step, values in sorted(by_step.items())]


def _rules(runs: list[RunLog]) -> list[dict[str, Any]]:
    """What each rule adds to a reply's reward, at the start and at the end; those that weigh most first."""
    about = rules_about(runs[0].config)
    rows = []
    for key in sorted({k for run in runs for k in run.series if k.startswith("reward/rules/")}):
        points = _mean_of(runs, key)
        width = max(1, len(points) // 5)
        first, last = (mean(v for _, v in some) for some in (points[:width], points[-width:]))
        if first or last:
            rule = key.removeprefix("reward/rules/")
            rows.append((max(abs(first), abs(last)), rule, first, last, [v for _, v in points]))
    rows.sort(key=lambda row: (-row[0], row[1]))
    return [
        {
            "rule": rule,
            "about": about.get(rule, ""),
            "first": number(first),
            "last": number(last),
            "spark": spark(values),
        }
        for _, rule, first, last, values in rows[:_RULES]
    ]


def _alarms(runs: list[RunLog]) -> dict[str, Any]:
    """Alarms of all runs, as a picture of when each held and as a list; warnings of the logs behind them."""
    many = len(runs) > 1
    rows, bars = [], []
    for run in runs:
        by_name: dict[str, list[tuple[float, float]]] = {}
        for alarm in run.alarms:
            end = run.last_step if alarm.end is None else alarm.end
            by_name.setdefault(alarm.name, []).append((alarm.start, max(alarm.start, end)))
            rows.append(
                {
                    "run": run.label if many else "",
                    "name": alarm.name,
                    "when": f"{alarm.start:g} to " + ("the end" if alarm.end is None else f"{alarm.end:g}"),
                    "value": "" if alarm.value is None else number(alarm.value),
                    "threshold": "" if alarm.threshold is None else number(alarm.threshold),
                    "action": alarm.action,
                    "text": alarm.text,
                }
            )
        bars += [(f"{run.label}: {name}" if many else name, spans) for name, spans in by_name.items()]
    last = max((run.last_step for run in runs), default=0.0)
    return {
        "many": many,
        "rows": rows[:200],
        "total": len(rows),
        "svg": timeline(bars[:12], last),
        "warnings": [f"{run.label}: {line}" if many else line for run in runs for line in run.warnings],
    }
