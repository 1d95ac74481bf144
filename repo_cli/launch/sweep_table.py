"""The results of a sweep as rows: for the terminal, as CSV, as a small HTML page. No torch.

A job's numbers are the means over the last steps of its metrics.jsonl, what its product's manifest says (val/...),
and of an evaluation the summary of eval.json. All of it is untrusted text where it is shown.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError, nearest
from repo_cli.launch.sweep import Job, Sweep
from repo_cli.launch.sweep_run import status
from repo_cli.training.tracking import read_metrics

#: Shown where they are there and no column is asked for.
USUAL = (
    "reward/total", "reward/rm", "dev/rating", "rating", "val/loss", "val/accuracy", "sft/loss", "train_rm/loss",
    "train_rm/accuracy", "rollout/length_mean", "policy/entropy",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One job's row: its overrides, state, last step and numbers."""

    job: Job
    state: str
    step: int
    numbers: dict[str, float]


def results(sweep: Sweep, last: int = 5) -> list[Result]:
    """Each job's row, in the sweep's order; numbers are means over the last `last` steps."""
    return [result(sweep, job, last) for job in sweep.jobs]


def result(sweep: Sweep, job: Job, last: int) -> Result:
    """One job's row."""
    folder = sweep.folder(job)
    runs = (
        [folder] if sweep.stage != "pipeline" else sorted(p.parent for p in folder.glob("*/*/*/config.yaml"))
    )
    numbers: dict[str, float] = {}
    step = 0
    for run in runs:
        rows = [row for row in read_metrics(run / "metrics.jsonl") if isinstance(row, dict)]
        if rows:
            step = int(rows[-1].get("step", 0))
        names = dict.fromkeys(name for row in rows[-last:] for name in row if name not in ("step", "time"))
        for name in names:
            values = [row[name] for row in rows[-last:] if _is_number(row.get(name))]
            if values:
                numbers[name] = sum(values) / len(values)
        numbers |= _manifest_numbers(run / "final" / "manifest.json") | _eval_numbers(run / "eval.json")
    return Result(job, status(folder)["state"], step, numbers)


def _manifest_numbers(file: Path) -> dict[str, float]:
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))["extra"]["metrics"]
        return {str(k): float(v) for k, v in metrics.items() if k.startswith("val/") and _is_number(v)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _eval_numbers(file: Path) -> dict[str, float]:
    """<system>/rating of an evaluation: the mean over its dialogues."""
    try:
        systems = json.loads(file.read_text(encoding="utf-8"))["systems"]
        found = {}
        for name, system in systems.items():
            ratings = [d["rating"] for d in system["dialogues"] if _is_number(d.get("rating"))]
            if ratings:
                found[f"{name}/rating"] = sum(ratings) / len(ratings)
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def arranged(
    rows: Sequence[Result], sort: str | None, columns: Sequence[str], ascending: bool = False
) -> tuple[list[Result], list[str]]:
    """(rows in order, metric columns). Jobs without the number come last.

    Raises:
        UserError: no job has a metric of that name.
    """
    known = sorted({name for row in rows for name in row.numbers})
    for name in [*columns, *([sort] if sort else [])]:
        if name not in known:
            guess = nearest(name, known)
            hint = (
                f"did you mean {guess}? " if guess else ""
            ) + f"There are: {', '.join(known[:30]) or 'none yet'}"
            raise UserError(f"no job of the sweep has the metric {name}", hint=hint)
    shown = list(columns) or [name for name in USUAL if name in known] or known[:6]
    if sort:
        shown = [sort] + [name for name in shown if name != sort]
        sign = 1.0 if ascending else -1.0
        rows = sorted(
            rows, key=lambda r: (sort not in r.numbers, sign * r.numbers.get(sort, 0.0), r.job.index)
        )
    return list(rows), shown


def cells(row: Result, columns: Sequence[str]) -> list[str]:
    """A row as text: job, overrides, state, step, numbers."""
    numbers = [f"{row.numbers[name]:.6g}" if name in row.numbers else "" for name in columns]
    return [str(row.job.index), " ".join(row.job.overrides), row.state, str(row.step), *numbers]


def header(columns: Sequence[str]) -> list[str]:
    return ["job", "overrides", "state", "step", *columns]


def to_csv(rows: Sequence[Result], columns: Sequence[str]) -> str:
    """The table as CSV; the swept keys have columns of their own."""
    keys = list(dict.fromkeys(key for row in rows for key, _ in _pairs(row.job)))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["job", *keys, "state", "step", *columns])
    for row in rows:
        given = dict(_pairs(row.job))
        index, _, state, step, *numbers = cells(row, columns)
        # a text that a spreadsheet would take for a formula is not one
        texts = [("'" + v if v[:1] in ("=", "+", "@") else v) for v in (given.get(key, "") for key in keys)]
        writer.writerow([index, *texts, state, step, *numbers])
    return out.getvalue()


def to_html(sweep: Sweep, rows: Sequence[Result], columns: Sequence[str]) -> str:
    """A small page that needs nothing from elsewhere; a click on a column's head sorts by it."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header(columns))
    best = {
        name: max((r.numbers[name] for r in rows if name in r.numbers), default=math.nan) for name in columns
    }
    body = []
    for row in rows:
        marks = [""] * 4 + [
            ' class="most"' if row.numbers.get(name) == best[name] else "" for name in columns
        ]
        texts = cells(row, columns)
        body.append(
            f'<tr class="{html.escape(row.state)}">'
            + "".join(f"<td{m}>{html.escape(t)}</td>" for m, t in zip(marks, texts, strict=True))
            + "</tr>"
        )
    title = html.escape(f"repo {sweep.stage.replace('_', '-')} -m {' '.join(sweep.common)}")
    return _PAGE.replace("{title}", title).replace("{head}", head).replace("{body}", "\n".join(body))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: left }
th { cursor: pointer; border-bottom: 2px solid #888 } td:nth-child(n+4) { text-align: right }
.most { font-weight: 700 } .failed td, .lost td { color: #a30 } .running td, .waiting td { color: #777 }
</style></head><body><h1 style="font-size:1.1rem">{title}</h1>
<table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table>
<script>
document.querySelectorAll('th').forEach((th, i) => th.addEventListener('click', () => {
  const body = document.querySelector('tbody'), up = th.dataset.up = th.dataset.up === '1' ? '' : '1';
  [...body.rows].sort((a, b) => {
    const x = a.cells[i].textContent, y = b.cells[i].textContent, d = x - y;
    return (up ? 1 : -1) * (isNaN(d) ? x.localeCompare(y) : d);
  }).forEach(row => body.appendChild(row));
}));
</script></body></html>
"""


def _pairs(job: Job) -> list[tuple[str, str]]:
    return [(key.lstrip("+"), value) for key, _, value in (text.partition("=") for text in job.overrides)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
