"""A/B conversations from a CSV, and what `repo ab` prints about them.

Columns: arm, conversation_id, responded, success (0/1), and if several conversations belong to one hotel, cluster.
Response and success are both shares of all conversations of an arm, whether the partner answered or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from repo_cli.errors import UserError, nearest
from repo_cli.evaluation.ab import ABResult, ab_test, needed_per_arm, power_of
from repo_cli.evaluation.result import EvalResult
from repo_cli.evaluation.sheets import number, read_table, write_table
from repo_cli.evaluation.statistics import holm

NEEDED = ("arm", "conversation_id", "responded", "success")
_CONTROL_NAMES = ("control", "baseline", "a")


@dataclass
class Arm:
    """One arm: outcomes[metric] holds 0/1 for each conversation; `clusters` is None when the file has none."""

    name: str
    outcomes: dict[str, list[int]]
    clusters: list[str] | None

    def share(self, metric: str) -> float:
        return sum(self.outcomes[metric]) / len(self.outcomes[metric])


def write_conversations(path: Path, result: EvalResult) -> None:
    """The dialogues of an evaluation as `repo ab` reads them: success is a deal that is right."""
    rows = [
        {
            "arm": name,
            "conversation_id": f"{name}/{d.scenario_id}/{d.trial}",
            "responded": int(d.responded),
            "success": int(bool(d.deal and d.correct_end is not False)),
        }
        for name, system in result.systems.items()
        for d in system.dialogues
    ]
    write_table(path, NEEDED, rows)


def read_arms(
    path: Path, control: str | None = None, guard: Sequence[str] = (), arms_wanted: Sequence[str] = ()
) -> tuple[Arm, Arm]:
    """(control, treatment). The control arm is the one named, else one called control, baseline or a, else the
    first in the file. `guard` names further 0/1 columns; `arms_wanted` the two arms, control first, of a file that
    has more.

    Raises:
        UserError: with file and line: a cell that is not 0 or 1, a conversation given twice, not two arms.
    """
    path = Path(path)
    metrics = ["responded", "success", *guard]
    columns, lines = read_table(path, [*NEEDED, *guard])
    clustered = "cluster" in columns and any(cells["cluster"] for _, cells in lines)
    arms: dict[str, Arm] = {}
    seen: dict[str, int] = {}
    for line in lines:
        at, cells = line
        for name in ("arm", "conversation_id", *(["cluster"] if clustered else [])):
            if not cells[name]:
                raise UserError(f"{path}:{at}: {name} is empty")
        key = cells["conversation_id"]
        if key in seen:
            raise UserError(f"{path}:{at}: conversation_id {key!r} is already on line {seen[key]}")
        seen[key] = at
        arm = arms.setdefault(
            cells["arm"], Arm(cells["arm"], {m: [] for m in metrics}, [] if clustered else None)
        )
        for metric in metrics:
            value = number(path, line, metric, 0, 1, whole=True)
            if value is None:
                raise UserError(f"{path}:{at}: {metric} is empty; it must be 0 or 1")
            arm.outcomes[metric].append(int(value))
        if arm.clusters is not None:
            arm.clusters.append(cells["cluster"])
    for name in arms_wanted:
        if name not in arms:
            near = nearest(name, arms)
            raise UserError(f"--arms {name}: no such arm", hint=f"did you mean {near}?" if near else None)
    names = list(arms_wanted or arms)
    if len(names) != 2:
        raise UserError(
            f"{path} has {len(names)} arms ({', '.join(names[:6])}); an A/B test compares two",
            hint="--arms ONE,OTHER" if len(names) > 2 else None,
        )
    if control is not None and control not in names:
        near = nearest(control, names)
        raise UserError(
            f"--control {control}: no such arm",
            hint=f"did you mean {near}?" if near else f"arms: {', '.join(names)}",
        )
    first = control or (arms_wanted[0] if arms_wanted else None)
    first = first or next((n for n in names if n.lower() in _CONTROL_NAMES), names[0])
    return arms[first], arms[next(n for n in names if n != first)]


@dataclass
class ABReport:
    """Everything about one file: a result for each metric, and the power for the lift that was asked about."""

    control: str
    treatment: str
    results: dict[str, ABResult]
    p_holm: dict[str, float]
    lift: float
    power: float
    needed: dict[str, int | None]
    found: dict[str, float | None]
    level: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "control": self.control,
            "treatment": self.treatment,
            "level": self.level,
            "metrics": {
                name: {
                    **r.as_dict(),
                    "p_holm": self.p_holm[name],
                    "needed_per_arm": self.needed[name],
                    "power": self.found[name],
                }
                for name, r in self.results.items()
            },
            "lift": self.lift,
            "wanted_power": self.power,
        }


def analyse(
    control: Arm,
    treatment: Arm,
    lift: float = 0.03,
    power: float = 0.8,
    level: float = 0.95,
    expected_share: float = 0.5,
) -> ABReport:
    """Compares two arms on every metric. `lift` as a fraction (0.03 = three points); `expected_share` of arm b."""
    results = {}
    for metric in control.outcomes:
        try:
            results[metric] = ab_test(
                control.outcomes[metric],
                treatment.outcomes[metric],
                clusters_a=control.clusters,
                clusters_b=treatment.clusters,
                expected_share_b=expected_share,
                level=level,
            )
        except ValueError as error:
            raise UserError(str(error), hint="remove the column cluster, or give more clusters") from None
    needed: dict[str, int | None] = {}
    found: dict[str, float | None] = {}
    for name, r in results.items():
        possible = 0 < r.share_a < 1 and 0 < r.share_a + lift < 1
        effect = max(1.0, r.design_effect)  # clusters cost conversations
        needed[name] = math.ceil(needed_per_arm(r.share_a, lift, power, level) * effect) if possible else None
        sizes = (max(2, int(r.n_a / effect)), max(2, int(r.n_b / effect)))
        found[name] = power_of(r.share_a, lift, *sizes, level) if possible else None
    adjusted = holm({name: r.p for name, r in results.items()})
    return ABReport(control.name, treatment.name, results, adjusted, lift, power, needed, found, level)


def render(report: ABReport) -> Group:
    """The tables and remarks for the terminal."""
    first = next(iter(report.results.values()))
    table = Table(title=f"{report.treatment} against {report.control}", title_justify="left", pad_edge=False)
    table.add_column("")
    for head in (report.control, report.treatment, f"lift ({100 * report.level:g}%)", "z", "p", "Holm"):
        table.add_column(Text(head), justify="right", no_wrap=True)
    for name, r in report.results.items():
        style = "" if r.low <= 0 <= r.high else "bold"
        cells = (
            _percent(r.share_a),
            _percent(r.share_b),
            f"{_points(r.lift)} [{_points(r.low)}, {_points(r.high)}]",
            f"{r.z:.2f}",
            _p(r.p),
            _p(report.p_holm[name]),
        )
        table.add_row(Text(name), *(Text(c, style=style) for c in cells))
    power = Table(title=f"To see {_points(report.lift)} points", title_justify="left", pad_edge=False)
    for head in ("", "base", f"needed an arm\n({100 * report.power:g}% power)", "power of\nthis test"):
        power.add_column(head, justify="right" if head else "left")
    for name, r in report.results.items():
        needed, found = report.needed[name], report.found[name]
        power.add_row(
            Text(name),
            _percent(r.share_a),
            "–" if needed is None else f"{needed:,}",
            "–" if found is None else f"{100 * found:.0f}%",
        )
    how = "two-proportion z-test, Newcombe's interval"
    if first.clusters is not None:
        how = f"cluster-robust over {first.clusters} clusters (design effect " + ", ".join(
            f"{name} {r.design_effect:.2f}" for name, r in report.results.items()
        )
        how += ")"
    notes = [Text(f"{first.n_a:,} and {first.n_b:,} conversations; {how}", style="dim")]
    if first.ratio_ok:
        notes.append(Text(f"sample ratio: as planned (chi-square p = {first.ratio_p:.3f})", style="dim"))
    else:
        notes.append(
            Text(
                f"sample-ratio mismatch (chi-square p = {first.ratio_p:.2g}): the arms are not split as planned, so "
                "something decides who is counted; find it before reading the lift",
                style="bold red",
            )
        )
    if first.shared_clusters:
        notes.append(
            Text(
                f"{first.shared_clusters} clusters have conversations in both arms: one arm may have coloured the "
                "other; randomise by cluster",
                style="yellow",
            )
        )
    return Group(table, power, *notes)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
