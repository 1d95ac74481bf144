"""The command `repo`: parse, compose, launch. No torch and no Hydra before a command needs them."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from repo_cli import __version__
from repo_cli.commands import (
    ab,
    config,
    data,
    doctor,
    judge,
    prefetch,
    ratings,
    report,
    reward,
    rules,
    stages,
    sweep,
)
from repo_cli.commands.options import examples
from repo_cli.errors import Stopped, UserError

app = typer.Typer(
    name="repo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "repo pipeline +experiment=demo", "repo rl --dry-run lora.r=8 rl.steps=20", "repo config show rl"
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"repo {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train dialogue agents that persuade and keep to the rules: REPO, from SFT to evaluation."""


stages.register(app)
sweep.register(app)
report.register(app)
ab.register(app)
app.add_typer(data.app, name="data", rich_help_panel="Data and rules")
app.add_typer(rules.app, name="rules", rich_help_panel="Data and rules")
app.add_typer(reward.app, name="reward", rich_help_panel="Data and rules")
app.add_typer(ratings.app, name="ratings", rich_help_panel="Measure")
app.add_typer(judge.app, name="judge", rich_help_panel="Data and rules")
app.add_typer(config.app, name="config", rich_help_panel="Configuration")
doctor.register(app)
prefetch.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Exit codes: 0 done, 2 the user can mend it, 75 stopped and resumable, 1 anything else."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="repo")
    except Exception as error:
        leave(error)


def leave(error: Exception) -> NoReturn:
    """Says what went wrong, and ends the process with its exit code."""
    code = tell(error)
    one_of_several = (
        int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ
    )  # of torchrun, of srun
    if one_of_several and "torch" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # a process group whose other ranks are gone would hang in its own farewell
    sys.exit(code)


def tell(error: Exception) -> int:
    """Says on stderr what went wrong; returns the exit code."""
    from rich.console import Console
    from rich.text import Text

    from repo_cli.launch.failures import mendable, summary

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    known = mendable(error)
    if known is not None:
        console.print(Text.assemble(("error: ", "bold red"), known.message))
        if known.hint:
            console.print(Text(f"  {known.hint}", style="dim"))
        return UserError.exit_code
    if isinstance(error, Stopped):
        console.print(Text.assemble(("stopped: ", "bold yellow"), str(error) or "a checkpoint was saved"))
        if error.saved:
            console.print(Text(f"  {error.hint or '--resume auto goes on from there'}", style="dim"))
        return error.exit_code
    console.print(Text.assemble(("failed: ", "bold red"), summary(error)))
    notes = getattr(error, "__notes__", [])
    for note in notes:
        console.print(Text(f"  {note}", style="dim"))
    if not notes:  # no run directory yet, so no log.txt that could hold it
        traceback.print_exception(error)
    return 1


if __name__ == "__main__":
    main()
