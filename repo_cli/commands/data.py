"""`repo data make`, `validate`, `show`, `pairs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repo_cli.commands.options import ConfigDir, Overrides, examples

if TYPE_CHECKING:
    from repo_cli.dialogue.tokens import ChatFormat
    from repo_cli.worlds.base import World

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Make, check and look at data.")

Kind = Annotated[
    str, typer.Option(help="sft, preference, prompts, judge, badcases, or any (found by the fields).")
]


@app.command(
    "make",
    epilog=examples(
        "repo data make gold.jsonl --corpus gold --n 100", "repo data make data/ --seed 1 --language zh"
    ),
)
def make(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .jsonl or .parquet file; a directory for all corpora.")
    ],
    corpus: Annotated[str | None, typer.Option(help="Which corpus; all of them when left out.")] = None,
    n: Annotated[int | None, typer.Option(min=1, help="Rows; the corpus's own size when left out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The world's seed.")] = 0,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    world: Annotated[str, typer.Option(help="Which built-in world.")] = "hotel",
) -> None:
    """Write the built-in world's data: the same seed gives the same rows."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from repo_cli.dialogue.files import write_rows
    from repo_cli.errors import UserError, nearest
    from repo_cli.worlds import get_world

    source = get_world(world, language, seed)
    names = [corpus] if corpus else list(source.sizes)
    if corpus and corpus not in source.sizes:
        guess = nearest(corpus, source.sizes)
        hint = f"corpora: {', '.join(source.sizes)}" + (f"; did you mean {guess}?" if guess else "")
        raise UserError(f"--corpus {corpus}: the world {world} has no such corpus", hint=hint)
    if not corpus and out.suffix:
        raise UserError(f"{out} is one file, and all corpora want a directory", hint="add --corpus NAME")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        for name in names:
            count = n or source.sizes[name]
            into_directory = not corpus or out.is_dir()
            path = out / f"{name}.jsonl" if into_directory else out
            task = progress.add_task(name, total=count)
            rows = _rows(source, name, count, lambda task=task: progress.advance(task))
            written = write_rows(path, rows)
            progress.console.print(
                f"{path}: {written} rows of {name} (seed {seed}, {language})", highlight=False
            )


def _rows(world: World, corpus: str, count: int, tick: Any) -> Iterator[dict[str, Any]]:
    for index in range(count):
        yield world.rows(corpus, index)
        tick()


@app.command(
    "validate",
    epilog=examples(
        "repo data validate pairs.jsonl",
        "repo data validate gold.jsonl policy=qwen3_0_6b",
        "repo data validate pairs.jsonl --held val_pairs.jsonl policy=qwen3_0_6b",
    ),
)
def validate(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file or hub name.")],
    overrides: Overrides = None,
    kind: Kind = "any",
    held: Annotated[
        str | None, typer.Option(help="A file of held-out pairs: also count what is in both.")
    ] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Check a file: every bad row by file and line. With overrides that name a policy, in its tokens too."""
    from rich.console import Console

    from repo_cli.dialogue.validate import validate as check

    fmt = _chat_format(path, list(overrides), config_dir) if overrides else None
    report = check(path, kind, fmt, held)
    Console(highlight=False).print(report.table())
    if not report.ok:
        raise typer.Exit(2)


@app.command(
    "show", epilog=examples("repo data show gold.jsonl --n 2", "repo data show gold.jsonl policy=qwen3_0_6b")
)
def show(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file or hub name.")],
    overrides: Overrides = None,
    n: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 3,
    kind: Kind = "any",
    config_dir: ConfigDir = None,
) -> None:
    """Show tokens in colour: what the loss is on, and what is only context."""
    from rich.console import Console

    from repo_cli.dialogue.show import show as paint

    fmt = _chat_format(path, list(overrides or []), config_dir)
    Console(highlight=False).print(paint(path, fmt, n, kind))


@app.command(
    "pairs",
    epilog=examples(
        "repo data pairs dialogues.jsonl pairs.jsonl --limit 5000",
        "repo data pairs rated/ pairs.jsonl --from-ratings",
    ),
)
def pairs(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Dialogues with an outcome; with --from-ratings what `repo ratings import` wrote.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .jsonl or .parquet file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is spoilt, and how.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pairs.")] = None,
    per_turn: Annotated[int, typer.Option(min=0, help="Spoilt variants of each agent turn.")] = 1,
    split: Annotated[str | None, typer.Option(help="Only rows of this split.")] = None,
    outcomes: Annotated[
        bool, typer.Option(help="Also pair turns of dialogues that went well and badly.")
    ] = True,
    from_ratings: Annotated[
        bool, typer.Option("--from-ratings", help="SOURCE holds imported ratings.")
    ] = False,
    margin: Annotated[
        float, typer.Option(min=0, help="With --from-ratings: least difference of two ratings.")
    ] = 1.0,
) -> None:
    """Make preference pairs from dialogues, by spoiling good turns and by outcome; or from people's ratings."""
    if from_ratings:
        from repo_cli.evaluation.rating_pairs import pairs_from_ratings

        typer.echo(f"{out}: {pairs_from_ratings(Path(source), out, margin, limit).line()}")
        return
    from repo_cli.dialogue.pairs import make_pairs

    report = make_pairs(
        source, out, seed, per_turn=per_turn, limit=limit, split=split, outcome_pairs=outcomes
    )
    typer.echo(f"{out}: {report.line()}")


def _chat_format(path: str, overrides: list[str], config_dir: Path | None) -> ChatFormat:
    """The policy's tokenizer and template; for a policy that is built, a tokenizer trained on this file."""
    from repo_cli.config import compose
    from repo_cli.dialogue.files import load_rows
    from repo_cli.quiet import quiet_libraries

    cfg = compose("sft", overrides, config_dir)
    rows: list[Any] = []
    if not (cfg.policy.parent or cfg.policy.path):
        rows, _ = load_rows(path, "any", on_bad_row="skip")
        typer.echo(f"policy={cfg.policy.name} is built here: this tokenizer is trained on {path}", err=True)
    quiet_libraries()
    from repo_cli.models.tokenizer import open_format

    return open_format(cfg, (text for row in rows for text in _texts(row)))


def _texts(row: Any) -> Iterator[str]:
    """Every text in a row."""
    if isinstance(row, dict):
        for name, value in row.items():
            if name in ("content", "reply") and isinstance(value, str):
                yield value
            elif name != "scenario":
                yield from _texts(value)
    elif isinstance(row, list):
        for value in row:
            yield from _texts(value)
