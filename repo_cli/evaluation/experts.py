"""A panel of simulated experts: each sees the hidden rating through a bias and a noise of their own.

They stand in for the people of an evaluation: whole numbers on a 1-5 scale, yes or no on the four skills and on bad
cases, and they disagree. What an expert says follows from (seed, expert, what was said), so the same words get the
same rating, whichever system spoke them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

from repo_cli.errors import UserError
from repo_cli.evaluation.rating_import import CONSENSUS, majority
from repo_cli.evaluation.result import SKILLS, BadCase, Dialogue

BAD_CASE_FIELDS = ("fixed", "clean", "severe_unresolved")


@dataclass(frozen=True)
class Expert:
    """bias is added to the hidden rating, noise is the standard deviation of the error, flip the share of yes/no
    answers given wrongly."""

    name: str
    bias: float = 0.0
    noise: float = 0.0
    flip: float = 0.0


def experts_of(settings: Mapping[str, Any], where: str = "eval.experts") -> list[Expert]:
    """Experts from configuration; UserError names the key that is wrong."""
    found = []
    for name, given in settings.items():
        if not isinstance(given, Mapping):
            raise UserError(f"{where}.{name} must be a mapping", hint="{bias: -0.3, noise: 0.4, flip: 0.05}")
        limits = {"bias": (-4.0, 4.0), "noise": (0.0, 4.0), "flip": (0.0, 0.5)}
        for key, value in given.items():
            if key not in limits:
                raise UserError(
                    f"{where}.{name}.{key} is not a configuration key", hint="keys: bias, noise, flip"
                )
            low, high = limits[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise UserError(f"{where}.{name}.{key}={value} must be a number from {low:g} to {high:g}")
        found.append(Expert(str(name), **{k: float(v) for k, v in given.items()}))
    return found


def rate_dialogue(dialogue: Dialogue, experts: Sequence[Expert], how: str, seed: int) -> None:
    """Fills in `panel` and `consensus` of a dialogue that has its hidden ratings."""
    said = "\n".join(str(m["content"]) for m in dialogue.messages)
    for expert in experts:
        rng = _rng(seed, expert, dialogue.scenario_id, said)
        dialogue.panel[expert.name] = {
            "rating": _score(dialogue.rating, expert, rng),
            "turns": [
                _score(rating, expert, _rng(seed, expert, dialogue.scenario_id, reply))
                for rating, reply in zip(dialogue.turns, dialogue.replies, strict=False)
            ],
            "skills": {s: _answer(dialogue.skills.get(s, 0), expert, rng) for s in SKILLS},
        }
    given = list(dialogue.panel.values())
    if given:
        dialogue.consensus = {
            "rating": agreed([g["rating"] for g in given], how),
            "turns": [agreed(list(column), how) for column in zip(*(g["turns"] for g in given), strict=True)],
            "skills": {s: majority([g["skills"][s] for g in given]) for s in SKILLS},
        }


def rate_bad_case(case: BadCase, experts: Sequence[Expert], seed: int) -> None:
    """Fills in `panel` and `consensus` of a bad case. Clean goes with fixed, severe with not fixed."""
    said = "\n".join(case.replies)
    for expert in experts:
        rng = _rng(seed, expert, case.case_id, said)
        fixed = _answer(case.fixed, expert, rng)
        clean, severe = _answer(case.clean, expert, rng), _answer(case.severe_unresolved, expert, rng)
        case.panel[expert.name] = {
            "fixed": fixed,
            "clean": int(fixed and clean),
            "severe_unresolved": int(severe and not fixed),
        }
    if case.panel:
        case.consensus = {f: majority([g[f] for g in case.panel.values()]) for f in BAD_CASE_FIELDS}


def agreed(values: Sequence[float], how: str) -> float | None:
    """The consensus of some ratings; None for a tie, which people would talk over."""
    if how not in CONSENSUS:
        raise UserError(
            f"eval.consensus={how} is not allowed", hint=f"allowed values: {', '.join(CONSENSUS)}"
        )
    return float(median(values)) if how == "median" else majority(values)


def _score(hidden: float, expert: Expert, rng: Random) -> int:
    return min(5, max(1, round(hidden + expert.bias + rng.gauss(0.0, expert.noise))))


def _answer(hidden: Any, expert: Expert, rng: Random) -> int:
    return int(bool(hidden) != (rng.random() < expert.flip))


def _rng(seed: int, expert: Expert, unit: str, said: str) -> Random:
    return Random(f"{seed}|{expert.name}|{unit}|{hashlib.sha256(said.encode()).hexdigest()}")
