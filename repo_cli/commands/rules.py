"""`repo rules check FILE` and `repo rules explain FILE --text ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from repo_cli.commands.options import examples

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Check and explain rule sets.")

File = Annotated[
    str,
    typer.Argument(metavar="FILE", help="A rule set file, or the name of a shipped one.", show_default=False),
]


@app.command("check", epilog=examples("repo rules check hotel_guardrails", "repo rules check my_rules.yaml"))
def check(file: File) -> None:
    """Run a rule set's own examples: each must pass or fail as it says."""
    from repo_cli.rewards.rules import RuleSet

    path = _path(file)
    rules = RuleSet.load(path)
    report = rules.check_examples()
    for result in report.failures:
        typer.echo(
            f"{path}: rule {result.rule}: {result.kind} example {result.text!r}: {result.why}", err=True
        )
    if report.without:
        typer.echo(f"without examples: {', '.join(report.without)}")
    typer.echo(
        f"{path}: {len(rules.rules)} rules, {len(report.results)} examples, {len(report.failures)} fail"
    )
    if not report.ok:
        raise typer.Exit(2)


@app.command(
    "explain",
    epilog=examples("repo rules explain hotel_guardrails --text 'You will be on the first page.'"),
)
def explain(
    file: File,
    text: Annotated[str, typer.Option(help="The reply.")],
    scenario: Annotated[
        str | None, typer.Option(metavar="JSON", help="The scenario, as JSON or a file.")
    ] = None,
    history: Annotated[str | None, typer.Option(metavar="JSON", help="The messages before it.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh; found from the text when left out.")] = None,
) -> None:
    """Show which rules fire on a reply, where, and what they add."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from repo_cli.rewards.rules import RuleSet

    rules = RuleSet.load(_path(file))
    turns = _json(history, "--history", list, [])
    result = rules.score(text, _json(scenario, "--scenario", dict, {}), turns, language)
    console = Console(highlight=False, soft_wrap=True)
    if result.fired:
        table = Table("rule", "severity", "adds", "where", "text")
        for rule_id, severity, weight, matched, (start, end) in result.fired:
            where = f"{start}-{end}" if end > start else "-"
            table.add_row(*(Text(cell) for cell in (rule_id, severity, f"{weight:+g}", where, matched)))
        console.print(table)
    else:
        console.print("no rule fires")
    for rule_id, reason in result.not_scored:
        console.print(Text(f"not scored: {rule_id}: {reason}", style="yellow"))
    console.print(f"total {result.total:+g}")


def _path(file: str) -> Path:
    from repo_cli.config.compose import conf_dir
    from repo_cli.errors import UserError, nearest

    shipped = conf_dir() / "rules"
    for path in (Path(file).expanduser(), shipped / f"{file}.yaml"):
        if path.is_file():
            return path
    names = sorted(path.stem for path in shipped.glob("*.yaml"))
    guess = nearest(file, names)
    hint = (f"did you mean {guess}? " if guess else "") + f"shipped: {', '.join(names)}"
    raise UserError(f"{file}: no such rule set", hint=hint)


def _json(text: str | None, option: str, kind: type, default: Any) -> Any:
    """A JSON value given in place or as the name of a file."""
    from repo_cli.errors import UserError

    if text is None:
        return default
    try:
        if not text.lstrip().startswith(("{", "[")):
            text = Path(text).read_text(encoding="utf-8")
        value = json.loads(text)
    except OSError as error:
        raise UserError(f"{option} {text}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{option} is not JSON: {error}") from None
    if not isinstance(value, kind):
        raise UserError(f"{option} must be a JSON {'object' if kind is dict else 'list'}")
    return value
