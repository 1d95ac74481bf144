"""`repo report RUN...`: one HTML page from one or more runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repo_cli.commands.options import examples


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command(
        "report",
        rich_help_panel="Measure",
        epilog=examples(
            "repo report runs/rl/demo/... runs/eval/demo/... --out report.html",
            "repo report runs/*/seed-*/* --out seeds.html",
        ),
    )(report)


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    title: Annotated[str, typer.Option(help="Its heading.")] = "repo report",
    rollouts: Annotated[
        int, typer.Option(min=0, help="At most so many replies of training, spread evenly over the steps.")
    ] = 10_000,
    bootstrap: Annotated[int, typer.Option(min=100, help="Resamples behind an interval.")] = 10_000,
) -> None:
    """Write one HTML page from one or more runs.

    Of evaluations: figures with intervals, violations, dialogues before and after, bad cases.

    Of training: rewards, the reward model against the hidden rating (rl.eval_every), alarms, replies with search.

    Several runs of one stage, or several evaluations, are set beside each other.
    """
    from repo_cli.errors import UserError
    from repo_cli.evaluation.report import report_runs

    for run in runs:
        if not run.is_dir():
            raise UserError(f"{run}: no such run directory")
    typer.echo(f"done: {report_runs(runs, out, bootstrap, title, rollouts)}")
