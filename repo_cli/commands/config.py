"""`repo config show STAGE` and `repo config list`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from repo_cli.commands.options import ConfigDir, Overrides, examples

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Look at the configuration.")


@app.command(
    "show",
    epilog=examples(
        "repo config show rl", "repo config show sft +experiment=demo lora.r=8 | grep '^lora' -A4"
    ),
)
def show(
    stage: Annotated[
        str,
        typer.Argument(metavar="STAGE", help="sft, train-rm, dpo, rl, eval or pipeline.", show_default=False),
    ],
    overrides: Overrides = None,
    config_dir: ConfigDir = None,
) -> None:
    """Print the resolved configuration of a stage as YAML."""
    from repo_cli.config import compose, to_yaml

    text = to_yaml(compose(stage, list(overrides or []), config_dir))
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console(soft_wrap=True).print(Syntax(text, "yaml", background_color="default"))


@app.command("list")
def list_groups(config_dir: ConfigDir = None) -> None:
    """List the groups and their options."""
    from rich.console import Console
    from rich.table import Table

    from repo_cli.config.compose import conf_dir
    from repo_cli.config.overrides import Places

    places = Places(conf_dir(), config_dir.expanduser().resolve() if config_dir else None)
    places.check_own()
    table = Table("group", "options", show_edge=False)
    for group in places.groups():
        table.add_row(group, ", ".join(places.options(group)))
    Console(highlight=False).print(table)
