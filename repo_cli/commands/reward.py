"""`repo reward score` and `repo reward check`: what the rewards say of replies, and whether tricks pay."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from repo_cli.commands.options import ConfigDir, Overrides, examples

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Score replies, and test the rewards.")
BAD = "bold red"


@app.command(
    "score",
    epilog=examples(
        "repo reward score replies.jsonl reward=rules_only",
        "repo reward score pairs.jsonl +experiment=demo policy.parent=SFT/final rm.path=RM/final --out scored.jsonl",
    ),
)
def score(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Dialogues, pairs or judge examples.", show_default=False)
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="Write every reply with all its scores here (JSONL).")
    ] = None,
    n: Annotated[int, typer.Option(min=0, help="Replies to show.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Score the replies of a file: reward model, judge, rules, rewards of your own and total, each by itself."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from repo_cli.config import compose
    from repo_cli.dialogue.files import write_rows

    cfg = compose("rl", list(overrides or []), config_dir)
    _quiet()
    stage = importlib.import_module("repo_cli.stages.reward")
    rows = list(stage.score_file(cfg, file, limit))
    scores = [stage.components(row) for row in rows]
    columns = list(scores[0])
    console = Console(highlight=False)
    table = Table("where", *columns, "broken", "reply")
    for row, said in zip(rows[:n], scores, strict=False):
        broken = Text(" ".join(row.get("violations", ())), style="red")
        table.add_row(row["where"], *(_number(said[c]) for c in columns), broken, Text(row["reply"]))
    if n:
        console.print(table)
    means = Table("", *columns)
    for label, work_out in (("mean", _mean), ("lowest", min), ("highest", max)):
        seen = {c: [said[c] for said in scores if said[c] is not None] for c in columns}
        means.add_row(label, *(_number(work_out(seen[c]) if seen[c] else None) for c in columns))
    means.add_row("not scored", *(str(sum(said[c] is None for said in scores) or "") for c in columns))
    console.print(means)
    if out is not None:
        write_rows(out, rows)
    console.print(
        f"{len(rows):,} replies of {file}, reward.combine={cfg.reward.combine}"
        + (f" -> {out}" if out else "")
    )


@app.command(
    "check",
    epilog=examples(
        "repo reward check reward=rules_only",
        "repo reward check +experiment=demo policy.parent=SFT/final rm.path=RM/final judge.path=JUDGE/final",
        "repo reward check reward=rules_only --data pairs.jsonl --n 100",
    ),
)
def check(
    overrides: Overrides = None,
    data: Annotated[
        str, typer.Option(help="Dialogues or pairs with honest replies: a file, a hub name, or world:CORPUS.")
    ] = "world:gold",
    n: Annotated[int, typer.Option(min=2, help="Contexts to try the tricks in.")] = 32,
    config_dir: ConfigDir = None,
) -> None:
    """Do cheap tricks pay? Compares honest replies with canaries; exit code 2 where one earns as much in the total."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from repo_cli.config import compose

    cfg = compose("rl", list(overrides or []), config_dir)
    _quiet()
    stage = importlib.import_module("repo_cli.stages.reward")
    lines, means = stage.check(cfg, data, n)
    about = (
        "by component: share of contexts in which it scores the honest reply higher; wins: share in which the canary's "
        "total is at least as high; gap: honest minus canary in the total, mean"
    )
    table = Table(Column("canary", no_wrap=True), "contexts", *means, "wins", "gap", "", caption=about)
    for line in lines:
        cells = [
            Text(f"{line.wins[c]:.0%}", style="red" if line.gaps[c] <= 0 else "")
            if c in line.wins
            else Text("-")
            for c in means
        ]
        gap = Text(
            f"{line.gaps['total']:+.2f}" if "total" in line.gaps else "not scored",
            style=BAD if line.pays else "",
        )
        wins = Text(
            "-" if line.earns_in is None else f"{line.earns_in:.0%}", style="red" if line.earns_in else ""
        )
        verdict = Text("PAYS", style=BAD) if line.pays else Text("")
        table.add_row(line.name, str(line.contexts), *cells, wins, gap, verdict)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "honest replies on average: " + ", ".join(f"{name} {value:+.2f}" for name, value in means.items())
    )
    paying = [line for line in lines if line.pays]
    for line in paying:
        honest, trick = line.example
        console.print(
            Text(f"{line.name}, where it pays most:\n  honest: {honest[:200]}\n  canary: {trick[:200]}")
        )
    if paying:
        typer.echo(
            f"reward check: {', '.join(line.name for line in paying)} pay at least as much as honesty",
            err=True,
        )
        raise typer.Exit(2)


def _quiet() -> None:
    from repo_cli.quiet import quiet_libraries

    quiet_libraries()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:+.2f}"
