"""`repo ratings import`: filled sheets, or ratings in the plain CSV forms, become one consensus for each unit.

Plain forms (system, dialogue_id and what was asked; see FORMS) need no key. Sheets (item, rater and what was asked;
other columns are not read) are joined with the key of their export. A unit without a consensus (no clear majority,
or a median between two values of a 0/1 question) is a tie: it stays out of the figures until it is decided.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from repo_cli.errors import UserError
from repo_cli.evaluation.agreement import alpha_interval, exact_agreement
from repo_cli.evaluation.rating_items import CHOICES, FIELDS, SIDE_BY_SIDE, Field
from repo_cli.evaluation.sheets import Line, number, read_table

CONSENSUS = ("median", "majority")
#: The plain forms: kind -> the columns that it is known by.
FORMS = {"turns": ("turn", "rating"), "dialogues": ("rating",), "badcases": ("fixed",)}
#: A choice as a number, for the agreement: the first system, a tie, the second.
_CHOICE_VALUES = {"first": 1.0, "tie": 0.0, "second": -1.0}

UnitId = tuple[str, str, str]  # (system or systems, dialogue, turn)


@dataclass
class Rated:
    """One unit with what each rater gave: votes[field][rater]; consensus[field], None where there is a tie."""

    id: UnitId
    name: str
    votes: dict[str, dict[str, float]] = field(default_factory=dict)
    consensus: dict[str, float | None] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)


@dataclass
class Ratings:
    """Everything that was read. `units` in the order of their first appearance; `blank` counts empty cells."""

    kind: str
    raters: list[str]
    units: list[Rated]
    blank: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What was asked and answered at least once."""
        return tuple(f for f in FIELDS[self.kind] if any(f.name in u.votes for u in self.units))

    def matrix(self, name: str) -> np.ndarray:
        """Votes of a field [raters, units], nan where there is none."""
        data = np.full((len(self.raters), len(self.units)), math.nan)
        for j, unit in enumerate(self.units):
            for rater, value in unit.votes.get(name, {}).items():
                data[self.raters.index(rater), j] = value
        return data

    def agreement(self) -> dict[str, dict[str, float]]:
        """Krippendorff's alpha with its jackknife interval, and raw agreement, of each field."""
        found = {}
        for f in self.fields:
            data = self.matrix(f.name)
            alpha, low, high = alpha_interval(data, f.level)
            found[f.name] = {"alpha": alpha, "low": low, "high": high, "exact": exact_agreement(data)}
        return found


def read_ratings(paths: Sequence[Path], key: dict[str, Any] | None = None) -> Ratings:
    """All votes of some files, all of one kind.

    Raises:
        UserError: by file and line: an unknown item, a value off its scale, one rater twice on one unit.
    """
    kind: str | None = key["kind"] if key else None
    units: dict[UnitId, Rated] = {}
    raters: dict[str, None] = {}
    blank = 0
    seen: dict[tuple[UnitId, str], str] = {}
    for path in paths:
        columns, lines = read_table(path)
        sheet = "item" in columns
        if sheet and key is None:
            raise UserError(f"{path} is a filled sheet, and its key is not given", hint="--key DIR/key.json")
        found = kind if sheet else _plain_kind(path, columns)
        if kind is not None and found != kind:
            raise UserError(
                f"{path} holds ratings of {found}, the others of {kind}", hint="import one kind at a time"
            )
        assert found is not None
        kind = found
        for line in lines:
            unit, rater, flip = _place(path, line, key if sheet else None, kind, units)
            where = f"{path}:{line[0]}"
            votes = _votes(path, line, kind, flip)
            blank += len(FIELDS[kind]) - len(votes)
            if not votes:
                continue
            if (unit.id, rater) in seen:
                raise UserError(f"{where}: {rater} rated this unit already, at {seen[unit.id, rater]}")
            seen[unit.id, rater] = where
            raters.setdefault(rater)
            for name, value in votes.items():
                unit.votes.setdefault(name, {})[rater] = value
    rated = [u for u in units.values() if u.votes]
    if not rated or kind is None:
        raise UserError(f"{', '.join(map(str, paths))}: no rating is filled in")
    return Ratings(kind, list(raters), rated, blank)


def _plain_kind(path: Path, columns: list[str]) -> str:
    for name in ("system", "dialogue_id", "rater"):
        if name not in columns:
            raise UserError(
                f"{path}: no column `{name}`",
                hint=f"a filled sheet has `item`; this has {', '.join(columns)}",
            )
    for kind, needed in FORMS.items():
        if all(column in columns for column in needed):
            return kind
    raise UserError(f"{path}: neither rating nor fixed among its columns ({', '.join(columns)})")


def _place(
    path: Path, line: Line, key: dict[str, Any] | None, kind: str, units: dict[UnitId, Rated]
) -> tuple[Rated, str, bool]:
    """(unit, rater, whether A and B stand the other way round than in the key's unit)."""
    at, cells = line
    if key is None:
        for name in ("system", "dialogue_id", "rater"):
            if not cells[name]:
                raise UserError(f"{path}:{at}: {name} is empty")
        place: UnitId = (cells["system"], cells["dialogue_id"], cells.get("turn", ""))
        return units.setdefault(place, Rated(place, f"{len(units) + 1}")), cells["rater"], False
    item = key["items"].get(cells["item"])
    if item is None:
        raise UserError(
            f"{path}:{at}: item {cells['item']!r} is not in the key", hint="is it the key of this export?"
        )
    unit = key["units"][item["unit"]]
    turn = "" if unit["turn"] is None else str(unit["turn"])
    place = ("|".join(unit["systems"]), unit["dialogue_id"], turn)
    rater = (cells.get("rater") or f"rater{item['sheet']}").lstrip("'")
    return units.setdefault(place, Rated(place, item["unit"])), rater, item["sides"] != unit["systems"]


def _votes(path: Path, line: Line, kind: str, flip: bool) -> dict[str, float]:
    votes: dict[str, float] = {}
    for f in FIELDS[kind]:
        if f.scale == "choice":
            text = line[1].get(f.name, "")
            if not text:
                continue
            choice = next((c for c in CHOICES if c.lower() == text.lower()), None)
            if choice is None:
                raise UserError(f"{path}:{line[0]}: {f.name}={text!r} must be A, B or tie")
            votes[f.name] = {"A": 1.0, "B": -1.0, "tie": 0.0}[choice] * (-1.0 if flip else 1.0) + 0.0
            continue
        whole = f.scale == "0/1"
        value = number(path, line, f.name, 0 if whole else 1, 1 if whole else 5, whole)
        if value is not None:
            votes[f.name] = value
    return votes


def settle(
    ratings: Ratings, how: str = "median", decided: dict[tuple[str, str], float] | None = None
) -> None:
    """Fills in the consensus of every unit; `decided[(unit name, field)]` is what an adjudicator said.

    median: of a 1-5 rating its median; 0/1 questions and choices are settled by majority in any case, which for
    them is the median too. majority: the one most frequent value.
    """
    if how not in CONSENSUS:
        raise UserError(f"--consensus {how}: not one of {', '.join(CONSENSUS)}")
    for unit in ratings.units:
        for f in ratings.fields:
            given = list(unit.votes.get(f.name, {}).values())
            ruled = (decided or {}).get((unit.name, f.name))
            if ruled is not None:
                unit.consensus[f.name] = ruled
                unit.decided.add(f.name)
            elif not given:
                unit.consensus[f.name] = None
            elif how == "median" and f.scale == "1-5":
                unit.consensus[f.name] = float(median(given))
            else:
                unit.consensus[f.name] = majority(given)


def majority(values: Sequence[float]) -> float | None:
    """The one most frequent value; None when two are equally frequent."""
    ranked = Counter(values).most_common(2)
    return None if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def disputed(ratings: Ratings, spread: float = 2.0) -> list[tuple[Rated, Field, str]]:
    """What to talk over: ties; ratings that lie `spread` or more apart; 0/1 and choices that are not unanimous."""
    found = []
    for unit in ratings.units:
        for f in ratings.fields:
            given = list(unit.votes.get(f.name, {}).values())
            if f.name in unit.decided or not given:
                continue
            if unit.consensus.get(f.name) is None:
                found.append((unit, f, "tie"))
            elif f.scale == "1-5" and max(given) - min(given) >= spread:
                found.append((unit, f, f"{max(given) - min(given):g} apart"))
            elif f.scale != "1-5" and len(set(given)) > 1:
                found.append((unit, f, "not unanimous"))
    return found


def read_decisions(path: Path, ratings: Ratings) -> dict[tuple[str, str], float]:
    """The `decision` column of a filled adjudicate.csv, by (unit, field)."""
    _, lines = read_table(path, ("unit", "question", "decision"))
    names = {u.name for u in ratings.units}
    found = {}
    for line in lines:
        at, cells = line
        if not cells["decision"]:
            continue
        scale = next((f.scale for f in FIELDS[ratings.kind] if f.name == cells["question"]), None)
        if cells["unit"] not in names or scale is None:
            raise UserError(
                f"{path}:{at}: unit {cells['unit']!r}, question {cells['question']!r}: not among these ratings"
            )
        if scale == "choice":
            value: float | None = {"first": 1.0, "second": -1.0, "tie": 0.0}.get(cells["decision"].lower())
            if value is None:
                raise UserError(f"{path}:{at}: decision={cells['decision']!r} must be first, second or tie")
        else:
            low, high = (0, 1) if scale == "0/1" else (1, 5)
            value = number(path, line, "decision", low, high, scale == "0/1")
        found[cells["unit"], cells["question"]] = float(value or 0.0)
    return found


def side_by_side(kind: str) -> bool:
    """Whether units of this kind compare two systems."""
    return kind in SIDE_BY_SIDE
