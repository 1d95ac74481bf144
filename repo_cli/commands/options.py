"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OVERRIDES",
        help="Keys and groups to set: lora.r=16, policy=qwen3_0_6b, +experiment=demo. See `repo config show`.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Resolve, validate, show configuration and plan; start nothing.")
]
Resume = Annotated[
    str | None,
    typer.Option("--resume", metavar="auto|PATH", help="Go on from the newest checkpoint, or from this one."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Resume although base or data differ; a pipeline: run done steps again."),
]
ConfigDir = Annotated[
    Path | None, typer.Option("--config-dir", metavar="DIR", help="Your own groups, options and experiments.")
]
Multirun = Annotated[bool, typer.Option("-m", "--multirun", help="A sweep over several values.")]


def examples(*lines: str) -> str:
    """An epilog that shows commands one a line."""
    from rich.markup import escape

    return "\n\n".join(["[bold]Examples[/bold]", *(f"[cyan]{escape(line)}[/cyan]" for line in lines)])
