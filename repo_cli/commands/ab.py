"""`repo ab FILE`: A/B statistics of two arms of live conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from repo_cli.commands.options import examples


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command(
        "ab",
        rich_help_panel="Measure",
        epilog=examples(
            "repo ab conversations.csv",
            "repo ab conversations.csv --control intent --lift 2 --guard opted_out",
            "repo ab runs/eval/.../conversations.csv --arms baseline,mine",
        ),
    )(ab)


def ab(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="CSV: arm, conversation_id, responded, success (0/1); cluster, where one hotel has several.",
        ),
    ],
    control: Annotated[
        str | None, typer.Option(help="The arm to compare with; else control, baseline or a, or the first.")
    ] = None,
    arms: Annotated[
        str | None, typer.Option(help="Two arms of a file that has more, the control first: sft,repo.")
    ] = None,
    lift: Annotated[float, typer.Option(help="Points of lift to plan for (sample size and power).")] = 3.0,
    power: Annotated[float, typer.Option(min=0.01, max=0.999, help="Power to plan for.")] = 0.8,
    level: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Level of the intervals.")] = 0.95,
    share: Annotated[
        float, typer.Option(min=0.001, max=0.999, help="Share of conversations meant for the other arm.")
    ] = 0.5,
    guard: Annotated[
        list[str] | None,
        typer.Option(help="A further 0/1 column to compare, such as opt-outs; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the figures as JSON.")] = None,
) -> None:
    """Compare two arms: response and success rates, interval, test, sample ratio, power."""
    from rich.console import Console

    from repo_cli.errors import UserError
    from repo_cli.evaluation.ab_file import analyse, read_arms, render
    from repo_cli.evaluation.sheets import write_text

    if lift == 0:
        raise UserError("--lift 0: no number of conversations shows a lift of 0")
    wanted = [a.strip() for a in arms.split(",") if a.strip()] if arms else []
    report = analyse(*read_arms(file, control, guard or (), wanted), lift / 100, power, level, share)
    Console(highlight=False).print(render(report))
    if out is not None:
        write_text(out, json.dumps(report.as_dict(), indent=2) + "\n")
        typer.echo(f"done: {out}")
