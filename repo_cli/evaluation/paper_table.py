"""The table of arXiv 2510.04214 from our own evaluation: every method with intervals, and what the paper says.

Figures are pooled over training seeds (seeds.pooled), each seed's own value beside them. The paper's layout (30
dialogues, 45 bad cases) is shown too: at that size hardly any difference can be told from chance.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from repo_cli.evaluation.measures import BY_KEY
from repo_cli.evaluation.metrics import summarise
from repo_cli.evaluation.result import EvalResult
from repo_cli.evaluation.seeds import Gain, ahead_of, first, pooled
from repo_cli.evaluation.show import difference, interval, number, p_value, verdict
from repo_cli.evaluation.statistics import Interval

#: The paper's layout: whole dialogues, and bad cases.
PAPER_DIALOGUES, PAPER_CASES = 30, 45
#: The paper's figures as far as they are known: rating, share of dialogues with an excellent reply, of bad cases fixed,
#: cleanly fixed, and left severe, in percent. None = not stated. What it states of a method's lead over another one
#: alone is derived from that (marked where it is shown); of the four skills it gives no number that we know of.
PAPER: dict[str, tuple[float | None, ...]] = {
    "base": (3.43, 13.33, None, None, None),
    "sft": (None, None, 93.33, None, None),
    "dpo": (3.80, 33.33, 93.33, None, None),
    "ppo": (None, None, None, None, None),
    "grpo": (4.30, 43.33, None, None, None),
    "repo": (4.63, 66.67, 93.33, 75.56, 0.0),
}
DERIVED = {("base", "rating"), ("dpo", "rating"), ("grpo", "rating"), ("grpo", "excellent")}
COLUMNS = ("rating", "excellent", "violations", "hard", "deals", "correct_end", "fixed", "clean", "severe")
SKILL_COLUMNS = ("skill_fluency", "skill_workflow", "skill_negotiation", "skill_scope")
#: What the paper reports: its table, and its four binary skills.
REPORTED = ("rating", "excellent", "fixed", "clean", "severe")
GAINS = ("rating", "excellent", "violations", "hard", "deals", "fixed", "clean")
_HEAD = {
    "rating": "rating 1-5",
    "excellent": "with an\nexcellent reply",
    "violations": "violations\n/100 replies",
    "hard": "hard ones\n/100",
    "deals": "deals",
    "correct_end": "right end",
    "fixed": "bad cases\nfixed",
    "clean": "cleanly",
    "severe": "severe\nleft",
    "skill_fluency": "fluency",
    "skill_workflow": "workflow",
    "skill_negotiation": "negotiation",
    "skill_scope": "scope",
}
_STYLE = {"better": "green", "worse": "red", "level": "dim", "": ""}


@dataclass(frozen=True)
class Cost:
    """What training a method took, by its own run: seconds, highest memory in GiB, replies sampled, judge calls.
    None where the run's metrics are not at hand (a base from the cache)."""

    seconds: float | None = None
    peak_gib: float | None = None
    replies: int = 0
    judge_calls: int = 0


@dataclass
class PaperTable:
    """All that the table shows; see `make`."""

    seeds: list[int]
    dialogues: int
    claim: str
    figures: dict[str, dict[str, Interval]]
    by_seed: dict[str, dict[str, list[float]]]
    small: dict[str, dict[str, Interval]]
    gains: dict[str, dict[str, Gain]]
    costs: dict[str, Cost]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "seeds": self.seeds,
            "dialogues_a_seed": self.dialogues,
            "figures": {s: {k: v.as_dict() for k, v in f.items()} for s, f in self.figures.items()},
            "by_seed": self.by_seed,
            "first_30": {s: {k: v.as_dict() for k, v in f.items()} for s, f in self.small.items()},
            "claim": self.claim,
            "ahead_of": {
                s: {k: {**g.difference.as_dict(), "p_holm": g.p_holm} for k, g in found.items()}
                for s, found in self.gains.items()
            },
            "costs": {s: asdict(c) for s, c in self.costs.items()},
            "paper": {
                s: {**dict(zip(REPORTED, v, strict=True)), **dict.fromkeys(SKILL_COLUMNS)}
                for s, v in PAPER.items()
            },
        }


def make(
    results: Mapping[int, EvalResult], claim: str, costs: Mapping[str, Cost], bootstrap: int
) -> PaperTable:
    """The table from one evaluation a training seed.

    claim: the system that is compared with every other. costs: by system, means over the seeds.
    """
    whole = pooled(results)
    if claim in whole.systems:  # last, below those that it is compared with
        whole.systems[claim] = whole.systems.pop(claim)
    each = {seed: summarise(result, bootstrap=100) for seed, result in results.items()}
    keys = (*COLUMNS, *SKILL_COLUMNS)
    by_seed = {
        name: {
            key: [s.systems[name][key].value for s in each.values() if key in s.systems[name]] for key in keys
        }
        for name in whole.systems
    }
    return PaperTable(
        list(results),
        max(len({d.scenario_id for d in s.dialogues}) for s in whole.systems.values()),
        claim,
        summarise(whole, bootstrap=bootstrap).systems,
        by_seed,
        summarise(first(whole, PAPER_DIALOGUES, PAPER_CASES), bootstrap=bootstrap).systems,
        ahead_of(whole, claim, bootstrap) if claim in whole.systems else {},
        dict(costs),
    )


def render(table: PaperTable) -> Group:
    """The tables for the terminal."""
    parts: list[Any] = [_figures(table, COLUMNS, _title(table))]
    parts.append(_figures(table, SKILL_COLUMNS, "Skills: share of dialogues that show each"))
    layout = f"The paper's layout: the first {PAPER_DIALOGUES} dialogues and {PAPER_CASES} bad cases; below, its own"
    parts.append(_beside(table, REPORTED, f"{layout} figures (*: derived from a lead that it states)"))
    parts.append(_beside(table, SKILL_COLUMNS, f"{layout} shares for the four skills"))
    if table.gains:
        parts.append(_gains(table))
    parts.append(_costs(table))
    return Group(*parts)


def to_csv(table: PaperTable) -> str:
    """One line a system and figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["system", "figure", "value", "low", "high", "n", "by_seed"])
    for name, figures in table.figures.items():
        for key in (*COLUMNS, *SKILL_COLUMNS):
            if key in figures:
                f = figures[key]
                each = " ".join(f"{v:.6g}" for v in table.by_seed[name][key])
                writer.writerow([name, key, f"{f.value:.6g}", f"{f.low:.6g}", f"{f.high:.6g}", f.n, each])
    return out.getvalue()


def paper_row(system: str) -> tuple[float | None, ...] | None:
    """The paper's figures for a system, by the first part of its name (ppo_sum: PPO); None for another."""
    return PAPER.get(system.lower().partition("_")[0])


def _title(table: PaperTable) -> str:
    seeds = f"seeds {', '.join(map(str, table.seeds))}" if len(table.seeds) > 1 else f"seed {table.seeds[0]}"
    return f"{table.dialogues} held-out dialogues a seed, {seeds}; 95% intervals over scenarios; each seed in brackets"


def _figures(table: PaperTable, keys: tuple[str, ...], title: str) -> Table:
    shown = _table(title)
    keys = tuple(k for k in keys if any(k in f for f in table.figures.values()))
    for key in keys:
        shown.add_column(_HEAD[key], justify="right")
    for name, figures in table.figures.items():
        cells = []
        for key in keys:
            if key not in figures:
                cells.append(Text("–"))
                continue
            value, _, rest = interval(figures[key], BY_KEY[key]).partition(" [")
            each = " ".join(number(v, BY_KEY[key]).removesuffix("%") for v in table.by_seed[name][key])
            seeds = f"\n({each})" if len(table.seeds) > 1 else ""
            cells.append(
                Text.assemble((value, "bold"), (f"\n[{rest}" if rest else "", "dim"), (seeds, "dim"))
            )
        shown.add_row(Text(name, style="bold"), *cells)
    return shown


def _beside(table: PaperTable, keys: tuple[str, ...], title: str) -> Table:
    """The smaller layout, and under each figure what the paper reports for its own dialogues."""
    shown = _table(title)
    for key in keys:
        shown.add_column(_HEAD[key], justify="right")
    for name in table.figures:
        here = table.small.get(name, {})
        cells = []
        for key in keys:
            mine = interval(here[key], BY_KEY[key]) if key in here else "–"
            cells.append(Text.assemble(mine, (f"\npaper: {stated(name, key)}", "dim")))
        shown.add_row(Text(name, style="bold"), *cells)
    return shown


def stated(system: str, key: str) -> str:
    """The paper's figure for a system as it is shown: "66.67%", "not stated"; an en dash for one it does not have."""
    row = paper_row(system)
    if row is None:
        return "–"
    value = dict(zip(REPORTED, row, strict=True)).get(key)
    if value is None:
        return "not stated"
    mark = "*" if (system.lower().partition("_")[0], key) in DERIVED else ""
    return f"{value:.2f}{'' if key == 'rating' else '%'}{mark}"


def _gains(table: PaperTable) -> Table:
    shown = _table(f"{table.claim} against each other method, paired by scenario (95%, p after Holm)")
    keys = tuple(k for k in GAINS if any(k in g for g in table.gains.values()))
    for key in keys:
        shown.add_column(_HEAD[key], justify="right")
    for other, gains in table.gains.items():
        cells = []
        for key in keys:
            if key not in gains:
                cells.append(Text("–"))
                continue
            gain = gains[key]
            word = verdict(gain.difference, BY_KEY[key])
            text = difference(gain.difference, BY_KEY[key]).replace(" [", "\n[")
            cells.append(Text(f"{text}\n{p_value(gain.p_holm)}", style=_STYLE[word]))
        shown.add_row(Text(other, style="bold"), *cells)
    return shown


def _costs(table: PaperTable) -> Table:
    shown = _table("What each method's own training took (mean over seeds)")
    for head in ("seconds", "peak GiB", "replies sampled", "judge calls"):
        shown.add_column(head, justify="right")
    for name in table.figures:
        cost = table.costs.get(name, Cost())
        shown.add_row(
            Text(name, style="bold"),
            "–" if cost.seconds is None else f"{cost.seconds:.0f}",
            "–" if cost.peak_gib is None else f"{cost.peak_gib:.1f}",
            str(cost.replies),
            str(cost.judge_calls),
        )
    return shown


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False)
    table.add_column("system", no_wrap=True)
    return table
