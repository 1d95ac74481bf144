"""The figures of an evaluation: what each is, of which units, and how it is shown.

Prices: the reservation price of the platform is the scenario's acceptable price, that of the hotel its hidden
reserve. Margins and surplus are shares of the current price, so that a cheap and a dear hotel count alike, and are 0
where no deal was made.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from repo_cli.evaluation.result import EXCELLENT, HARD, PERSUASION, SKILLS, Dialogue, ReplyCase, persuasion

_CJK = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[A-Za-z0-9]+(?:['.:-][A-Za-z0-9]+)*")

#: What the contexts of the set `replies` may call for (worlds.base.ReplyRating), with its label.
ABILITIES = {
    "empathy": "Empathy with the root cause",
    "hotel_type": "Reasons fitted to the hotel's type",
    "little_information": "Persuasion with little information",
}


def words(text: str) -> int:
    """Words of an English text; characters and figures of a Chinese one."""
    return len(_CJK.findall(text)) + len(_WORD.findall(text))


@dataclass(frozen=True)
class Metric:
    """One figure. `better` is +1 when higher is better, -1 when lower is, 0 when neither.

    kind: mean (of `top` over units), share (`top` is 0/1) or ratio (sum of top over sum of bottom).
    of: dialogues, badcases or replies; a unit whose `top` is nan (not rated, or the question does not arise) is left
    out. unit: how it is shown, "score", "%" or "number"; `scale` multiplies it for show.
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


def percent(
    key: str,
    label: str,
    top: Callable[[Any], Any],
    of: str = "dialogues",
    better: int = 1,
    group: str = "main",
    kind: str = "mean",
) -> Metric:
    """A mean in percent; `top` gives a number, or None where the question does not arise."""
    return Metric(
        key, label, kind, of, lambda u: number(top(u)), unit="%", better=better, scale=100, group=group
    )


share = functools.partial(percent, kind="share")  # of units for which `top` is true, with Wilson's interval


def number(value: Any) -> float:
    """A float; nan for None."""
    return math.nan if value is None else float(value)


def breaches(dialogue: Dialogue, low: int = 1, high: int = 3) -> float:
    """Breaches whose severity lies in the range; nan where nobody rated."""
    if not rated_replies(dialogue):
        return math.nan
    return sum(low <= severity <= high for _, _, severity in dialogue.violations)


def replies_of(dialogue: Dialogue) -> int:
    """Number of agent turns."""
    return len(dialogue.turns)


def rated_replies(dialogue: Dialogue) -> int:
    """Number of agent turns that have a rating."""
    return sum(not math.isnan(r) for r in dialogue.turns)


def _excellent(d: Dialogue) -> float | None:
    return None if not rated_replies(d) else float(d.excellent_turns > 0)


def _skill(name: str) -> Callable[[Dialogue], float | None]:
    return lambda d: d.skills.get(name)


def _agreed(key: str, name: str | None = None) -> Callable[[Any], float | None]:
    """What the panel agreed on; None without a panel or with a tie."""

    def read(unit: Any) -> float | None:
        value = unit.consensus.get(key)
        return value.get(name) if name is not None and isinstance(value, dict) else value

    return read


def _panel_excellent(d: Dialogue) -> float | None:
    turns = d.consensus.get("turns")
    if not turns:
        return None
    hits = (t is not None and t >= EXCELLENT and i not in d.hard_turns for i, t in enumerate(turns))
    return float(any(hits))


def possible(d: Dialogue) -> bool | None:
    """Whether a deal within both sides' limits exists; None where the limits are not known."""
    acceptable = d.scenario.get("acceptable_price")
    if d.reserve is None or not d.outcome or not isinstance(acceptable, (int, float)):
        return None
    return d.reserve <= acceptable


def _right_exit(d: Dialogue) -> float | None:
    if d.correct_end is None or possible(d) is not False:
        return None
    return float(not d.deal and d.correct_end)


def _missed(d: Dialogue) -> float | None:
    return float(not d.deal) if possible(d) else None


def progress(d: Dialogue) -> float | None:
    """0 = the price stayed, 1 = the target was reached."""
    current, target = d.scenario.get("current_price"), d.scenario.get("target_price")
    if not d.outcome or not isinstance(current, (int, float)) or not isinstance(target, (int, float)):
        return None
    if current == target:
        return None
    return 0.0 if d.price is None else (current - d.price) / (current - target)


def _below_reserve(d: Dialogue) -> float | None:
    return None if d.price is None or d.reserve is None else float(d.price < d.reserve)


def _per_current(d: Dialogue, value: float) -> float | None:
    current = d.scenario.get("current_price")
    return value / current if isinstance(current, (int, float)) and current > 0 else None


def _margin(d: Dialogue) -> float | None:
    """What the hotel gets above its reservation price."""
    return (
        None
        if d.reserve is None or not d.outcome
        else _per_current(d, 0.0 if d.price is None else d.price - d.reserve)
    )


def _surplus(d: Dialogue) -> float | None:
    """Both sides' gains over walking away: below 0 where one of them loses more than the other gains."""
    acceptable = d.scenario.get("acceptable_price")
    if d.reserve is None or not d.outcome or not isinstance(acceptable, (int, float)):
        return None
    return _per_current(d, 0.0 if d.price is None else acceptable - d.reserve)


def _win(ability: str | None = None) -> Callable[[ReplyCase], float | None]:
    return lambda r: (
        r.win if r.gold and not math.isnan(r.rating) and (ability is None or ability in r.abilities) else None
    )


METRICS: tuple[Metric, ...] = (
    Metric("rating", "Rating (1-5)", "mean", "dialogues", lambda d: d.rating, unit="score"),
    share("excellent", "Dialogues with an excellent reply", _excellent),
    Metric(
        "excellent_turns",
        "Excellent replies",
        "ratio",
        "dialogues",
        lambda d: d.excellent_turns,
        rated_replies,
        unit="%",
        scale=100,
    ),
    Metric(
        "violations",
        "Violations / 100 replies",
        "ratio",
        "dialogues",
        breaches,
        replies_of,
        better=-1,
        scale=100,
    ),
    Metric(
        "hard",
        "Hard violations / 100",
        "ratio",
        "dialogues",
        lambda d: breaches(d, HARD),
        replies_of,
        better=-1,
        scale=100,
    ),
    Metric(
        "soft",
        "Soft violations / 100",
        "ratio",
        "dialogues",
        lambda d: breaches(d, 1, HARD - 1),
        replies_of,
        better=-1,
        scale=100,
        group="more",
    ),
    Metric(
        "rule_breaks",
        "Rules broken / 100 replies",
        "ratio",
        "dialogues",
        lambda d: len(d.rules),
        replies_of,
        better=-1,
        scale=100,
        group="more",
    ),
    share("deals", "Deals", lambda d: d.deal if d.outcome else None),
    share("correct_end", "Right end", lambda d: d.correct_end if rated_replies(d) else None),
    share("responded", "Response rate", lambda d: d.responded, group="prices"),
    percent("progress", "Price progress to the target", progress, group="prices"),
    percent(
        "deal_progress", "Price progress in deals", lambda d: progress(d) if d.deal else None, group="prices"
    ),
    share("right_exits", "Right exits where no deal is possible", _right_exit, group="prices"),
    share("missed_deals", "No deal where one is possible", _missed, better=-1, group="prices"),
    share("below_reserve", "Deals below the hotel's reserve", _below_reserve, better=-1, group="prices"),
    percent("margin", "Hotel's margin over its reserve", _margin, group="prices"),
    percent("surplus", "Joint surplus", _surplus, group="prices"),
    *(share(f"skill_{s}", f"Skill: {s}", _skill(s), group="skills") for s in SKILLS),
    Metric(
        "persuasion",
        "Persuasive ability (1-5)",
        "mean",
        "dialogues",
        lambda d: persuasion(d.scores),
        unit="score",
        group="persuasion",
    ),
    *(
        Metric(
            f"persuasion_{name}",
            f"Rating of {name.replace('_', ' ')} (1-5)",
            "mean",
            "dialogues",
            lambda d, name=name: d.scores.get(name, math.nan),  # type: ignore[misc]
            unit="score",
            group="persuasion",
        )
        for name in PERSUASION
    ),
    Metric(
        "panel_rating",
        "Panel: rating (1-5)",
        "mean",
        "dialogues",
        lambda d: number(_agreed("rating")(d)),
        unit="score",
        group="panel",
    ),
    share("panel_excellent", "Panel: dialogues with an excellent reply", _panel_excellent, group="panel"),
    *(share(f"panel_{s}", f"Panel: {s}", _agreed("skills", s), group="panel") for s in SKILLS),
    Metric("turns", "Agent turns", "mean", "dialogues", replies_of, better=0, group="more"),
    Metric(
        "words",
        "Words / reply",
        "ratio",
        "dialogues",
        lambda d: sum(map(words, d.replies)),
        lambda d: len(d.replies),
        better=0,
    ),
    share("fixed", "Bad cases fixed", lambda c: c.fixed, "badcases", group="badcases"),
    share("clean", "Bad cases cleanly fixed", lambda c: c.clean, "badcases", group="badcases"),
    share("severe", "Severe defects left", lambda c: c.severe_unresolved, "badcases", -1, "badcases"),
    Metric(
        "badcase_rating",
        "Bad cases: rating",
        "mean",
        "badcases",
        lambda c: c.rating,
        unit="score",
        group="badcases",
    ),
    share("panel_fixed", "Panel: fixed", _agreed("fixed"), "badcases", group="badcases"),
    share("panel_clean", "Panel: cleanly fixed", _agreed("clean"), "badcases", group="badcases"),
    share("panel_severe", "Panel: severe left", _agreed("severe_unresolved"), "badcases", -1, "badcases"),
    percent("wins", "Win rate against the gold reply", _win(), "replies", group="replies"),
    *(
        percent(f"wins_{a}", f"Wins: {label.lower()}", _win(a), "replies", group="replies")
        for a, label in ABILITIES.items()
    ),
    Metric(
        "reply_rating",
        "Reply rating (1-5)",
        "mean",
        "replies",
        lambda r: r.rating,
        unit="score",
        group="replies",
    ),
    share(
        "reply_excellent",
        "Excellent replies",
        lambda r: None if math.isnan(r.rating) else r.rating >= EXCELLENT and not r.hard,
        "replies",
        group="replies",
    ),
    share(
        "reply_hard",
        "Replies with a hard violation",
        lambda r: None if math.isnan(r.rating) else r.hard,
        "replies",
        -1,
        "replies",
    ),
)

BY_KEY = {metric.key: metric for metric in METRICS}
