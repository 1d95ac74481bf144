"""Rubrics as data, and how a judge's scores on one become E_judge. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repo_cli.errors import UserError
from repo_cli.rewards.rule_spec import check_keys, read_yaml

NOT_APPLICABLE = "-"
MOST_WEIGHT = 1e6  # of a criterion
GATE_CAP = -0.5  # a gate criterion at its lowest score lets the reply's mean rise no higher
KEYS = ("name", "question", "anchors", "weight", "skill", "gate", "applies_when")


@dataclass(frozen=True)
class Criterion:
    """One line of a rubric; `anchors` say what some of the scores mean."""

    id: str
    name: str
    question: str
    anchors: dict[int, str]
    weight: float = 1.0
    skill: str = ""
    gate: bool = False
    applies_when: str = ""


@dataclass(frozen=True)
class Rubric:
    """Criteria with one scale from `low` to `high`."""

    name: str
    low: int
    high: int
    criteria: dict[str, Criterion]

    @property
    def labels(self) -> list[str]:
        """What may stand after a criterion: the scores, and "-" for one that does not apply."""
        return [*(str(s) for s in range(self.low, self.high + 1)), NOT_APPLICABLE]

    @classmethod
    def of(cls, source: Any) -> Rubric:
        """From a rubric, a mapping, a path, or the `rubric` group of the configuration.

        Raises UserError naming criterion and field.
        """
        if isinstance(source, Rubric):
            return source
        file = "rubric"
        if isinstance(source, str):
            file, source = source, read_yaml(source)
        data = source if isinstance(source, Mapping) else vars(source)
        check_keys(data, ("name", "scale", "criteria"), file)
        given = data.get("scale") or (1, 5)
        scale = list(given) if isinstance(given, list | tuple) else [given]
        if len(scale) != 2 or not all(isinstance(s, int) for s in scale) or not 0 <= scale[0] < scale[1] <= 9:
            raise UserError(
                f"{file}: scale: [lowest, highest] is wanted, two digits 0..9, not {scale!r}",
                hint="a score is read as one character",
            )
        raw = data.get("criteria") or {}
        if not raw:
            raise UserError(f"{file}: criteria: there is none", hint="rubric=hotel")
        if not isinstance(raw, Mapping):
            raise UserError(f"{file}: criteria: {{id: {{name, question, ...}}}} is wanted, not {raw!r}")
        criteria = {str(k): _criterion(str(k), v, scale, file) for k, v in raw.items() if v is not None}
        if not criteria:
            raise UserError(f"{file}: criteria: all of them are null", hint="judge=none asks no judge at all")
        return cls(str(data.get("name") or "rubric"), scale[0], scale[1], criteria)


def _criterion(name: str, raw: Any, scale: list[int], file: str) -> Criterion:
    where = f"{file}: criterion {name}"
    if not isinstance(raw, Mapping):
        raise UserError(f"{where}: a mapping is wanted, not {raw!r}")
    check_keys(raw, KEYS, where)
    anchors = raw.get("anchors") or {}
    try:
        anchors = {int(score): str(text) for score, text in anchors.items()}
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise UserError(f"{where}.anchors: {{score: text}} is wanted, not {anchors!r}") from None
    outside = [s for s in anchors if not scale[0] <= s <= scale[1]]
    if outside:
        raise UserError(f"{where}.anchors: {outside[0]} lies outside the scale {scale}")
    weight = raw.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < MOST_WEIGHT:
        raise UserError(f"{where}.weight: a number from 0 to {MOST_WEIGHT:g} is wanted, not {weight!r}")
    return Criterion(
        id=name,
        name=str(raw.get("name") or name),
        question=str(raw.get("question") or ""),
        anchors=anchors,
        weight=float(weight),
        skill=str(raw.get("skill") or ""),
        gate=bool(raw.get("gate", False)),
        applies_when=str(raw.get("applies_when") or ""),
    )


def normalise_judge(scores: Mapping[str, float | None], rubric: Rubric) -> float | None:
    """E_judge before `judge.weight`: the weighted mean of the scored criteria, each brought to [-1, 1].

    A criterion that is None (does not apply, or was not scored) is left out, and the weights are
    renormalised; None when none was scored. A gate criterion whose score rounds to the lowest one caps the
    mean at -0.5.

    Raises ValueError for a score outside the scale: no such number may become a reward.
    """
    total = weight = 0.0
    capped = False
    middle, half = (rubric.low + rubric.high) / 2, (rubric.high - rubric.low) / 2
    for criterion in rubric.criteria.values():
        score = scores.get(criterion.id)
        if score is None or math.isnan(score):
            continue
        if not rubric.low <= score <= rubric.high:
            raise ValueError(f"{criterion.id}: {score} lies outside the scale {rubric.low}..{rubric.high}")
        total += criterion.weight * (score - middle) / half
        weight += criterion.weight
        capped = capped or (criterion.gate and score < rubric.low + 0.5)
    if weight == 0:
        return None
    mean = total / weight
    return min(mean, GATE_CAP) if capped else mean
