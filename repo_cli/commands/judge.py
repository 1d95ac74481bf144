"""`repo judge check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repo_cli.commands.options import ConfigDir, Overrides, examples

if TYPE_CHECKING:
    from rich.table import Table

    from repo_cli.rewards.judge_check import Check

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Try a judge before it rewards anything."
)


@app.callback()
def root() -> None:
    """Try a judge before it rewards anything."""


@app.command(
    "check",
    epilog=examples(
        "repo judge check world:judge judge=openai judge.api.url=http://127.0.0.1:8000/v1 judge.api.model=NAME",
        "repo judge check labelled.jsonl judge=local judge.path=runs/sft/.../final judge.prompt=compact",
    ),
)
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled examples: a file, or world:judge.")],
    overrides: Overrides = None,
    n: Annotated[int, typer.Option(min=1, help="How many examples.")] = 200,
    skip: Annotated[
        int,
        typer.Option(min=0, help="Leave out so many at the start, such as those the judge was trained on."),
    ] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON too.")] = None,
    config_dir: ConfigDir = None,
) -> None:
    """How far a judge agrees with labels, what sways it, which planted defects it sees, and what it costs."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from repo_cli.config.compose import compose
    from repo_cli.quiet import quiet_libraries
    from repo_cli.rewards.judge_check import run_check
    from repo_cli.rewards.judge_open import judge_maker

    quiet_libraries()
    cfg = compose("rl", ["rules=none", *(overrides or [])], config_dir)
    rows = _examples(cfg, data, n, skip)
    make = judge_maker(cfg)
    console, notes = Console(highlight=False), Console(stderr=True, highlight=False)
    result = run_check(make, rows, lambda text: notes.print(text, style="dim", markup=False))
    console.print(table(result, len(rows), f"{cfg.judge.kind}: {cfg.judge.api.model or cfg.judge.path}"))
    if out is not None:
        figures = _plain({**asdict(result), "detection": result.detection})
        out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Fit for JSON: null for what could not be measured."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def _examples(cfg: Any, data: str, n: int, skip: int = 0) -> list[dict[str, Any]]:
    from repo_cli.dialogue.files import load_rows
    from repo_cli.errors import UserError
    from repo_cli.stages.data import world_rows

    if data.startswith("world:"):
        rows = list(world_rows(cfg, data.removeprefix("world:"), skip + n))[skip:]
        if rows and "scores" not in rows[0]:
            raise UserError(f"{data}: these rows have no scores", hint="world:judge has")
    else:
        rows = load_rows(data, "judge", on_bad_row=cfg.data.on_bad_row, limit=skip + n)[0][skip:]
    if not rows:
        raise UserError(f"{data}: no examples are left after --skip {skip}")
    missing = [name for name in cfg.rubric.criteria if all(name not in row["scores"] for row in rows)]
    if missing and len(missing) == len(cfg.rubric.criteria):
        raise UserError(
            f"{data}: no label for any criterion of rubric={cfg.rubric.name}", hint="choose another rubric"
        )
    return rows


def table(result: Check, examples_n: int, title: str) -> Table:
    """All figures of a check in one table."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=Text(f"judge {title}, {examples_n} labelled replies"), title_justify="left")
    for column in ("", "n", "exact", "within 1", "kappa", "corr.", "applies"):
        grid.add_column(column, justify="left" if not column else "right")
    for name, row in result.criteria.items():
        cells = [f"{row[key]:.2f}" for key in ("exact", "within_one", "kappa", "correlation", "applies")]
        grid.add_row(name, f"{row['n']:.0f}", *cells, end_section=name == "all")
    place, size, used = result.position, result.length, result.used
    grid.add_row(
        "criteria in reverse order: mean |change|, points", f"{place['n']:.0f}", f"{place['change']:.2f}"
    )
    grid.add_row("asked in the first half: adds, points", f"{place['n']:.0f}", f"{place['first_half']:+.2f}")
    grid.add_row("length against error: correlation", f"{size['n']:.0f}", f"{size['correlation']:+.2f}")
    grid.add_row("an empty courtesy: adds to E_judge", f"{size['n']:.0f}", f"{size['padding']:+.3f}")
    grid.add_row(
        "an empty courtesy: share lifted", f"{size['n']:.0f}", f"{size['lifted']:.2f}", end_section=True
    )
    for kind, (found, planted) in sorted(result.defects.items()):
        grid.add_row(f"planted: {kind}", str(planted), f"{found / planted:.2f}")
    total = sum(planted for _, planted in result.defects.values())
    grid.add_row("planted defects found", str(total), f"{result.detection:.2f}", end_section=True)
    asked = used["replies"] or 1.0
    for kind, count in sorted(result.outcomes.items()):
        grid.add_row(f"outcome {kind}", str(count), f"{count / asked:.2f}")
    grid.add_row("seconds a reply", f"{used['replies']:.0f}", f"{used['seconds'] / asked:.3f}")
    if used["requests"]:
        grid.add_row(
            "tokens a reply, in and out",
            f"{used['requests']:.0f}",
            *(f"{used[k] / asked:.0f}" for k in ("tokens_in", "tokens_out")),
        )
        grid.add_row(
            "cost, and of a thousand replies", "", f"{used['cost']:.4g}", f"{1000 * used['cost'] / asked:.4g}"
        )
    return grid
