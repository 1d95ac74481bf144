"""`repo ratings export` and `repo ratings import`: rating sheets for people, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repo_cli.commands.options import examples

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Rating sheets for people, and back.")


@app.command(
    "export",
    epilog=examples(
        "repo ratings export runs/eval/... --out sheets --kind dialogues --raters 3 --n 30",
        "repo ratings export runs/eval/... --out sheets --kind pairs --systems sft,repo",
    ),
)
def export(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run of `repo eval`, or its eval.json.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option(help="The directory to write; it must not hold sheets already.")
    ] = Path("ratings"),
    kind: Annotated[
        str,
        typer.Option(
            help="turns, replies, dialogues, badcases (one by one); pairs, dialogue_pairs (side by side)."
        ),
    ] = "dialogues",
    systems: Annotated[
        str | None,
        typer.Option(help="Which systems, with commas; all, or side by side the first and the last."),
    ] = None,
    raters: Annotated[int, typer.Option(min=1, max=100, help="Sheets, each in an order of its own.")] = 3,
    n: Annotated[
        int | None, typer.Option(min=1, help="Dialogues, cases or contexts; all when left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of choice, order and sides.")] = 0,
    title: Annotated[str, typer.Option(help="Heading of the form.")] = "Ratings",
) -> None:
    """Write blinded, shuffled rating sheets (CSV, and an HTML form that saves CSV) and their key."""
    from repo_cli.evaluation.rating_items import choose_units
    from repo_cli.evaluation.rating_sheets import export_sheets
    from repo_cli.evaluation.result import EvalResult

    path = run / "eval.json" if run.is_dir() else run
    named = [s.strip() for s in systems.split(",") if s.strip()] if systems else None
    units = choose_units(EvalResult.load(path), kind, named, n, seed)
    written = export_sheets(units, out, raters, seed, source=str(path), title=title)
    typer.echo(
        f"{raters} sheets of {len(units)} {kind.replace('_', ' ')} in {out}; keep {written[-1]} from the raters"
    )


@app.command(
    "import",
    epilog=examples(
        "repo ratings import filled/*.csv --key sheets/key.json --out rated",
        "repo ratings import filled/*.csv --key sheets/key.json --decided rated/adjudicate.csv --out final",
        "repo ratings import ratings.csv --consensus majority",
    ),
)
def read(
    sheets: Annotated[
        list[Path],
        typer.Argument(
            metavar="SHEET...",
            help="Filled sheets, or CSVs with system, dialogue_id, rater.",
            show_default=False,
        ),
    ],
    key: Annotated[
        Path | None, typer.Option(help="key.json of the export; found when it lies beside the sheets.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The directory to write.")] = Path("rated"),
    consensus: Annotated[str, typer.Option(help="median or majority.")] = "median",
    spread: Annotated[
        float, typer.Option(min=0.5, help="Ratings this far apart are listed to be talked over.")
    ] = 2.0,
    decided: Annotated[
        Path | None, typer.Option(help="adjudicate.csv with its column decision filled in.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The system that others are compared with; else sft, or the first.")
    ] = None,
) -> None:
    """Read ratings back: consensus, agreement, figures with intervals, and what is to be adjudicated."""
    from rich.console import Console

    from repo_cli.evaluation.rating_figures import render, write_all
    from repo_cli.evaluation.rating_import import read_decisions, read_ratings, settle
    from repo_cli.evaluation.rating_sheets import KEY, read_key

    beside = next(
        (p for sheet in sheets for p in (sheet.parent / KEY, sheet.parent.parent / KEY) if p.is_file()), None
    )
    found = key or beside
    known = read_key(found) if found else None
    ratings = read_ratings(sheets, known)
    settle(ratings, consensus, read_decisions(decided, ratings) if decided else None)
    written = write_all(ratings, out, known, spread)
    Console(highlight=False).print(render(ratings, spread, baseline))
    typer.echo(f"done: {', '.join(str(p) for p in written)}")
