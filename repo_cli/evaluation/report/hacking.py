"""The picture of reward hacking (the reward model's score against the hidden rating over training), and the curve of
the persuasive-ability score. Both from the looks that a run takes at development dialogues (`rl.eval_every`)."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any

from repo_cli.evaluation.report.charts import Line, card, line_chart, number, path_chart
from repo_cli.evaluation.report.logs import Points, RunLog

#: A change of the hidden rating (1 to 5) below this is called none.
LEVEL = 0.05


def hacking(runs: list[RunLog], tones: dict[int, str]) -> dict[str, Any]:
    """Cards and one sentence a run; without looks the reward model's curve beside those of judge and rules."""
    looked = [run for run in runs if len(run.series.get("dev/rating", [])) > 1]
    score, rating = [], []
    many = len(runs) > 1
    for run in looked:
        tone = tones[id(run)]
        key = "dev/rm" if len(run.series.get("dev/rm", [])) > 1 else "reward/rm"
        score.append(Line(run.label, run.series.get(key, []), tone, smooth=key == "reward/rm"))
        rating.append(Line(run.label, run.series["dev/rating"], tone))
    score = [line for line in score if line.points]
    cards = []
    if score:
        cards.append(
            card("Reward model's score", "mean on development replies", line_chart(score, about="RM"))
        )
    if rating:
        cards.append(
            card("Hidden rating", "development dialogues, 1 to 5", line_chart(rating, about="hidden rating"))
        )
    for run in looked:
        points = both(run)
        title = "One against the other" + (f": {run.label}" if many else "")
        chart = path_chart(
            points, "reward model's score", "hidden rating", tones[id(run)], "hidden rating against RM score"
        )
        if chart:
            cards.append(card(title, "ring: first look; dot: last", chart))
    return {
        "cards": cards,
        "words": [{"run": run.label if many else "", "text": verdict(run)} for run in looked],
        "looked": bool(looked),
    }


def both(run: RunLog) -> list[tuple[float, float, float]]:
    """(step, reward model's score, hidden rating) of each look; the score is that of the same replies, or of the step's
    training replies in runs that did not score them."""
    scores = dict(run.series.get("dev/rm") or run.series.get("reward/rm", []))
    return [
        (step, scores[step], rating) for step, rating in run.series.get("dev/rating", []) if step in scores
    ]


def verdict(run: RunLog) -> str:
    """What the two curves say of each other, in figures and one plain sentence; "" with fewer than two looks."""
    points = both(run)
    if len(points) < 2:
        return ""
    (first, rm0, rating0), (last, rm1, rating1) = points[0], points[-1]
    rm, rating = rm1 - rm0, rating1 - rating0
    best_step, _, best = max(points, key=lambda p: p[2])
    if rm > 0 and rating < -LEVEL:
        says = "The policy came to please the reward model at the cost of the dialogues: reward hacking."
    elif rm > 0 and rating <= LEVEL:
        says = (
            "The reward model's score rose and the dialogues did not become better: watch for reward hacking."
        )
    elif rm > 0:
        says = "Both rose: no sign of reward hacking."
    elif rating > LEVEL:
        says = "The dialogues became better without a higher score of the reward model."
    else:
        says = "Neither rose."
    peak = (
        f" The rating was highest at step {best_step:g} ({number(best)})."
        if best - max(rating0, rating1) > LEVEL
        else ""
    )
    return (
        f"Steps {first:g} to {last:g}: reward model {number(rm0)} → {number(rm1)}, hidden rating {number(rating0)} → "
        f"{number(rating1)}{_together(points)}. {says}{peak}"
    )


def _together(points: list[tuple[float, float, float]]) -> str:
    """The correlation of the two over the looks, where there are enough of them."""
    if len(points) < 4:
        return ""
    xs, ys = [p[1] for p in points], [p[2] for p in points]
    mx, my = mean(xs), mean(ys)
    spread = math.sqrt(sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys))
    if not spread:
        return ""
    return f", correlation {number(sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / spread)}"


def persuasion_curve(runs: list[RunLog], tones: dict[int, str]) -> dict[str, Any]:
    """The score over training with its gain from the first look to the last, for each run and on average."""
    looked = [run for run in runs if len(run.series.get("dev/persuasion", [])) > 1]
    if not looked:
        return {}
    cards = [
        card(
            "Persuasive ability",
            "development dialogues, 1 to 5",
            line_chart(
                [Line(r.label, r.series["dev/persuasion"], tones[id(r)]) for r in looked],
                about="persuasive ability",
            ),
        )
    ]
    for run in looked[: 1 if len(looked) == 1 else 0]:
        parts = [
            Line(name, run.series[key], tone)
            for key, name, tone in (
                ("dev/negotiation", "negotiation", "s2"),
                ("dev/emotional_value", "emotional value", "s4"),
            )
            if len(run.series.get(key, [])) > 1
        ]
        if parts:
            cards.append(card("Its two parts", "1 to 5", line_chart(parts, about="the parts of the score")))
    words = [gain_words(run.label if len(looked) > 1 else "", run.series["dev/persuasion"]) for run in looked]
    if len(looked) > 1:
        first, last = (mean(run.series["dev/persuasion"][k][1] for run in looked) for k in (0, -1))
        words.append(f"Mean of the runs: {number(first)} → {number(last)}, {_change(first, last)}.")
    return {"cards": cards, "words": words}


def gain_words(label: str, points: Points) -> str:
    """The gain from the first point to the last; "" with fewer than two."""
    if len(points) < 2:
        return ""
    (step0, first), (step1, last) = points[0], points[-1]
    head = f"{label}: " if label else ""
    return (
        f"{head}{number(first)} at step {step0:g}, {number(last)} at step {step1:g}: {_change(first, last)}."
    )


def _change(first: float, last: float) -> str:
    share = f" ({100 * (last - first) / first:+.1f}%)".replace("-", "−") if first else ""
    change = number(last - first)
    return f"{change if change.startswith('−') else '+' + change}{share}"
