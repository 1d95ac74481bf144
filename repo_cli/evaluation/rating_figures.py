"""Figures, files and tables from people's ratings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from repo_cli.evaluation.rating_import import Rated, Ratings, disputed, side_by_side
from repo_cli.evaluation.result import EXCELLENT
from repo_cli.evaluation.sheets import write_table, write_text
from repo_cli.evaluation.show import p_value
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

_CHOICE_WORDS = {1.0: "first", -1.0: "second", 0.0: "tie"}


def figures(ratings: Ratings, bootstrap: int = 5000, seed: int = 0) -> dict[str, dict[str, Interval]]:
    """system -> figure -> interval, from the consensus; side by side: "A over B" -> win rate of ..."""
    if side_by_side(ratings.kind):
        return _wins(ratings)
    found: dict[str, dict[str, Interval]] = {}
    for system in dict.fromkeys(u.id[0] for u in ratings.units):
        units = [u for u in ratings.units if u.id[0] == system]
        mine: dict[str, Interval] = {}
        for f in ratings.fields:
            values = [(u, c) for u in units if (c := u.consensus.get(f.name)) is not None]
            if f.scale == "0/1":
                mine[f.name] = wilson(int(sum(v for _, v in values)), len(values))
            elif ratings.kind == "turns":  # turns of one dialogue are no independent units
                mine.update(_turn_figures(values, bootstrap, seed))
            else:
                mine[f.name] = bootstrap_mean([v for _, v in values], seed, bootstrap)
        found[system] = mine
    return found


def _turn_figures(values: list[tuple[Rated, float]], bootstrap: int, seed: int) -> dict[str, Interval]:
    by_dialogue: dict[str, list[float]] = {}
    for unit, value in values:
        by_dialogue.setdefault(unit.id[1], []).append(value)
    groups = list(by_dialogue.values())
    sizes = [len(g) for g in groups]
    return {
        "rating": bootstrap_ratio([sum(g) for g in groups], sizes, seed, bootstrap),
        "excellent_turns": bootstrap_ratio(
            [sum(v >= EXCELLENT for v in g) for g in groups], sizes, seed, bootstrap
        ),
        "with_excellent": wilson(sum(any(v >= EXCELLENT for v in g) for g in groups), len(groups)),
    }


def _wins(ratings: Ratings) -> dict[str, dict[str, Interval]]:
    """Win rate of each pair's second system over its first among the decided units, and the share of ties."""
    found: dict[str, dict[str, Interval]] = {}
    for pair in dict.fromkeys(u.id[0] for u in ratings.units):
        first, _, second = pair.partition("|")
        values = [
            c for u in ratings.units if u.id[0] == pair and (c := u.consensus.get("choice")) is not None
        ]
        won, lost = sum(v < 0 for v in values), sum(v > 0 for v in values)
        found[f"{second} over {first}"] = {
            "win_rate": wilson(won, won + lost),
            "ties": wilson(len(values) - won - lost, len(values)),
        }
    return found


def differences(
    ratings: Ratings, baseline: str | None = None, bootstrap: int = 5000
) -> dict[str, dict[str, Difference]]:
    """Paired differences of each system to the baseline (else sft, else the first), Holm over systems in `p`."""
    systems = list(dict.fromkeys(u.id[0] for u in ratings.units))
    if side_by_side(ratings.kind) or len(systems) < 2:
        return {}
    base = baseline if baseline in systems else ("sft" if "sft" in systems else systems[0])
    found: dict[str, dict[str, Difference]] = {}
    for f in ratings.fields:
        raw: dict[str, Difference] = {}
        left = _by_dialogue(ratings, base, f.name)
        for system in systems:
            right = _by_dialogue(ratings, system, f.name)
            shared = [k for k in left if k in right]
            if system == base or not shared:
                continue
            a, b = [left[k] for k in shared], [right[k] for k in shared]
            d = paired_bootstrap(a, b, 0, bootstrap)
            if f.scale == "0/1":
                p, gained, lost = mcnemar_exact([x > 0.5 for x in a], [x > 0.5 for x in b])
                d = Difference(d.value, d.low, d.high, p, d.n, gained, lost)
            raw[system] = d
        for system, p in holm({s: d.p for s, d in raw.items()}).items():
            d = raw[system]
            found.setdefault(system, {})[f.name] = Difference(
                d.value, d.low, d.high, p, d.n, d.gained, d.lost
            )
    return found


def _by_dialogue(ratings: Ratings, system: str, name: str) -> dict[str, float]:
    """Mean consensus of each dialogue."""
    groups: dict[str, list[float]] = {}
    for unit in ratings.units:
        value = unit.consensus.get(name)
        if unit.id[0] == system and value is not None:
            groups.setdefault(unit.id[1], []).append(value)
    return {key: sum(g) / len(g) for key, g in groups.items()}


def write_all(ratings: Ratings, out: Path, key: dict[str, Any] | None, spread: float = 2.0) -> list[Path]:
    """ratings.csv (the plain form), consensus.json (with the texts, for pairs), adjudicate.csv, summary.json."""
    out = Path(out)
    names = [f.name for f in ratings.fields]
    turns = any(u.id[2] for u in ratings.units)
    rows = [
        {
            "system": u.id[0],
            "dialogue_id": u.id[1],
            "turn": u.id[2],
            "rater": rater,
            **{n: _word(ratings, u.votes.get(n, {}).get(rater)) for n in names},
        }
        for u in ratings.units
        for rater in ratings.raters
        if any(rater in u.votes.get(n, {}) for n in names)
    ]
    columns = ["system", "dialogue_id", *(["turn"] if turns else []), "rater", *names]
    write_table(out / "ratings.csv", columns, rows)
    consensus = [
        {
            "system": u.id[0],
            "dialogue_id": u.id[1],
            "turn": u.id[2],
            "consensus": u.consensus,
            "decided": sorted(u.decided),
            "unit": (key or {}).get("units", {}).get(u.name),
        }
        for u in ratings.units
    ]
    write_text(
        out / "consensus.json",
        json.dumps({"version": 1, "kind": ratings.kind, "units": consensus}, ensure_ascii=False),
    )
    write_table(out / "adjudicate.csv", *_adjudication(ratings, key, spread))
    summary = {
        "kind": ratings.kind,
        "raters": ratings.raters,
        "units": len(ratings.units),
        "blank": ratings.blank,
        "figures": {s: {k: _finite(v.as_dict()) for k, v in f.items()} for s, f in figures(ratings).items()},
        "differences": {
            s: {k: _finite(v.as_dict()) for k, v in f.items()} for s, f in differences(ratings).items()
        },
        "agreement": {k: _finite(v) for k, v in ratings.agreement().items()},
        "disputed": len(disputed(ratings, spread)),
    }
    write_text(out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return [out / name for name in ("ratings.csv", "consensus.json", "adjudicate.csv", "summary.json")]


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in data.items()}


def _word(ratings: Ratings, value: float | None) -> Any:
    return _CHOICE_WORDS[value] if side_by_side(ratings.kind) and value is not None else value


def _adjudication(
    ratings: Ratings, key: dict[str, Any] | None, spread: float
) -> tuple[list[str], list[dict[str, Any]]]:
    """Blinded still: units by number, texts without names."""
    rows = []
    for unit, f, why in disputed(ratings, spread):
        known = (key or {}).get("units", {}).get(unit.name) or {}
        shown = [
            "\n".join(f"{line['who']}: {line['text']}" for line in known.get("texts", {}).get(system, []))
            for system in known.get("systems", [])
        ]
        votes = "; ".join(
            f"{r}: {_word(ratings, v) if isinstance(_word(ratings, v), str) else format(v, 'g')}"
            for r, v in unit.votes[f.name].items()
        )
        before = "\n".join(f"{line['who']}: {line['text']}" for line in known.get("before", []))
        rows.append(
            {
                "unit": unit.name,
                "question": f.name,
                "why": why,
                "votes": votes,
                "before": before,
                "first": shown[0] if shown else "",
                "second": shown[1] if len(shown) > 1 else "",
            }
        )
    return ["unit", "question", "decision", "why", "votes", "before", "first", "second"], rows


def render(ratings: Ratings, spread: float = 2.0, baseline: str | None = None) -> Group:
    """The tables for the terminal."""
    found = figures(ratings)
    parts: list[RenderableType] = []
    table = Table(
        title=f"{len(ratings.units)} {ratings.kind.replace('_', ' ')}, {len(ratings.raters)} raters (95% intervals)",
        title_justify="left",
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    columns = list(dict.fromkeys(k for f in found.values() for k in f))
    for name in columns:
        table.add_column(Text(name.replace("_", " ")), justify="right", no_wrap=True)
    for system, mine in found.items():
        table.add_row(Text(system), *(Text(_figure(mine.get(name), name)) for name in columns))
    parts.append(table)
    apart = differences(ratings, baseline)
    if apart:
        paired = Table(
            title="Paired differences to the baseline (p by Holm)", title_justify="left", pad_edge=False
        )
        for head in ("", "question", "difference", "p", "n"):
            paired.add_column(head, justify="right" if head in ("difference", "n") else "left")
        for system, by_field in apart.items():
            for name, d in by_field.items():
                paired.add_row(
                    Text(system),
                    name,
                    f"{d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}]",
                    p_value(d.p),
                    str(d.n),
                )
        parts.append(paired)
    agree = Table(title="Agreement", title_justify="left", pad_edge=False)
    for head in ("", "Krippendorff's alpha", "all alike"):
        agree.add_column(head, justify="right" if head else "left")
    for name, a in ratings.agreement().items():
        alpha = "–" if math.isnan(a["alpha"]) else f"{a['alpha']:.2f}"
        alpha += "" if math.isnan(a["low"]) else f" [{a['low']:.2f}, {a['high']:.2f}]"
        agree.add_row(name, alpha, "–" if math.isnan(a["exact"]) else f"{100 * a['exact']:.0f}%")
    parts.append(agree)
    open_ones = disputed(ratings, spread)
    ties = sum(why == "tie" for _, _, why in open_ones)
    parts.append(
        Text(
            f"to talk over: {len(open_ones)} ({ties} ties, left out until decided); {ratings.blank} blank cells"
        )
    )
    return Group(*parts)


def _figure(figure: Interval | None, name: str) -> str:
    if figure is None or math.isnan(figure.value):
        return "–"
    if name == "rating":
        rest = "" if math.isnan(figure.low) else f"\n[{figure.low:.2f}, {figure.high:.2f}]"
        return f"{figure.value:.2f}{rest}"
    rest = "" if math.isnan(figure.low) else f"\n[{100 * figure.low:.0f}, {100 * figure.high:.0f}]"
    return f"{100 * figure.value:.0f}%{rest}"
