"""`repo data pairs --from-ratings`: preference pairs from imported ratings, the enrichment loop.

- side by side replies: the preferred one is chosen; ties give nothing.
- replies or turns rated one by one: two systems' replies to the very same context, where the consensus differs by
  `margin` or more.
- bad cases that a system fixed cleanly: its reply to the marked turn over the recorded one.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from repo_cli.dialogue.files import write_rows
from repo_cli.errors import UserError


@dataclass
class RatingPairs:
    """How many units were read and what came of them."""

    units: int
    pairs: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """One line for the log."""
        made = ", ".join(f"{n} {kind}" for kind, n in self.pairs.items())
        return f"{self.units} rated units; {self.pairs.total()} pairs ({made})"


def pairs_from_ratings(source: Path, out: Path, margin: float = 1.0, limit: int | None = None) -> RatingPairs:
    """Writes the pairs of an import (its directory, or its consensus.json) to `out`.

    Raises:
        UserError: no such import, ratings that came without a key (and so without texts), or no pair at all.
    """
    path = Path(source) / "consensus.json" if Path(source).is_dir() else Path(source)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kind, units = data["kind"], data["units"]
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", hint="give the directory that `repo ratings import` wrote"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not written by `repo ratings import` ({error})") from None
    if not any(u.get("unit") for u in units):
        raise UserError(
            f"{path} holds no texts: these ratings were imported without a key",
            hint="repo ratings import SHEETS --key DIR/key.json",
        )
    report = RatingPairs(len(units))
    rows: list[dict[str, Any]] = []
    makers = {"pairs": _chosen, "badcases": _mended}
    for row in makers[kind](units) if kind in makers else _rated(units, margin):
        if row["chosen"][0]["content"].strip() != row["rejected"][0]["content"].strip():
            rows.append(row)
    rows = rows[:limit]
    if not rows:
        hint = {
            "dialogues": "ratings of whole dialogues compare no two replies",
            "dialogue_pairs": "whole dialogues give no pair of replies",
        }
        raise UserError(
            f"{path} gives no preference pair",
            hint=hint.get(kind, "no consensus, or no two replies to the same context"),
        )
    report.pairs.update(row["tags"][0] for row in rows)
    write_rows(out, rows)
    return report


def _row(
    prompt: Any,
    chosen: str,
    rejected: str,
    scenario: Any,
    kind: str,
    better: str,
    worse: str,
    margin: float | None = None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "prompt": prompt,
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "scenario": scenario or {},
        "source": "ratings",
        "tags": [kind, better, worse],
    }
    return row if margin is None else {**row, "margin": margin}


def _chosen(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for u in units:
        unit, choice = u["unit"], (u["consensus"] or {}).get("choice")
        if unit and choice:
            better, worse = unit["systems"] if choice > 0 else reversed(unit["systems"])
            replies = unit["replies"]
            rows.append(
                _row(
                    unit["prompt"],
                    replies[better],
                    replies[worse],
                    unit["scenario"],
                    "preferred",
                    better,
                    worse,
                )
            )
    return rows


def _rated(units: list[dict[str, Any]], margin: float) -> list[dict[str, Any]]:
    by_prompt: dict[str, list[tuple[float, str, str, dict[str, Any]]]] = {}
    for u in units:
        unit, rating = u["unit"], (u["consensus"] or {}).get("rating")
        if unit and rating is not None and unit.get("replies"):
            system, reply = next(iter(unit["replies"].items()))
            by_prompt.setdefault(json.dumps(unit["prompt"]), []).append((rating, system, reply, unit))
    rows = []
    for group in by_prompt.values():
        for one, two in combinations(group, 2):
            high, low = (one, two) if one[0] > two[0] else (two, one)
            if high[0] - low[0] >= margin:
                rows.append(
                    _row(
                        high[3]["prompt"],
                        high[2],
                        low[2],
                        high[3]["scenario"],
                        "rated higher",
                        high[1],
                        low[1],
                        high[0] - low[0],
                    )
                )
    return rows


def _mended(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for u in units:
        unit, consensus = u["unit"], u["consensus"] or {}
        if unit and consensus.get("fixed") == 1 and consensus.get("clean") == 1:
            for turn in unit["better"]:
                rows.append(
                    _row(
                        turn["prompt"],
                        turn["chosen"],
                        turn["rejected"],
                        unit["scenario"],
                        "mended",
                        unit["systems"][0],
                        "recorded",
                    )
                )
    return rows
