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
        epilog=examples("repo report runs/eval/demo/... --out report.html"),
    )(report)


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one HTML page from one or more runs."""
    from repo_cli.errors import UserError
    from repo_cli.evaluation.report import report_runs

    for run in runs:
        if not run.is_dir():
            raise UserError(f"{run}: no such run directory")
    typer.echo(f"done: {report_runs(runs, out)}")
