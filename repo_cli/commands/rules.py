"""`repo rules check`, `checks`, `explain`, `scan`, `new`: write rule sets, and see what they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repo_cli.commands.options import examples

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from repo_cli.rewards.rule_scan import Turn
    from repo_cli.rewards.rules import Fired

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Write, check and explain rule sets.")

File = Annotated[
    str,
    typer.Argument(metavar="FILE", help="A rule set file, or the name of a shipped one.", show_default=False),
]
STYLES = {"hard": "bold red", "soft": "yellow"}
AROUND = 60  # characters shown on either side of a hit


@app.command("check", epilog=examples("repo rules check hotel_guardrails", "repo rules check my_rules.yaml"))
def check(file: File) -> None:
    """Run a rule set's own examples, and look for gaps: rules without examples, overlaps, dead patterns."""
    from repo_cli.rewards.rule_review import review
    from repo_cli.rewards.rules import RuleSet

    path = _path(file)
    rules = RuleSet.load(path)
    report = rules.check_examples()
    for result in report.failures:
        typer.echo(
            f"{path}: rule {result.rule}: {result.kind} example {result.text!r}: {result.why}", err=True
        )
    remarks = review(rules, report)
    for remark in remarks:
        typer.echo(f"{path}: rule {remark.rule}.{remark.field}: {remark.text}", err=True)
    typer.echo(
        f"{path}: {len(rules.rules)} rules, {len(report.results)} examples, {len(report.failures)} fail, "
        f"{len(remarks)} remarks"
    )
    if not report.ok or any(remark.serious for remark in remarks):
        raise typer.Exit(2)


@app.command("checks", epilog=examples("repo rules checks", "repo rules checks price_grounded length --json"))
def checks(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, a check a key.")] = False,
) -> None:
    """List the numeric and state checks that a rule can name, with their arguments and defaults."""
    from repo_cli.errors import UserError, nearest
    from repo_cli.rewards.rule_checks import CHECKS

    for name in names or ():
        if name not in CHECKS:
            guess = nearest(name, CHECKS)
            raise UserError(f"{name}: no such check", hint=f"did you mean {guess}?" if guess else None)
    chosen = {name: CHECKS[name] for name in sorted(names or CHECKS)}
    if as_json:
        rows = {
            name: {"about": entry.about, "finds": entry.finds, "arguments": entry.defaults}
            for name, entry in chosen.items()
        }
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "finds", "about", "arguments and defaults", show_lines=True)
    for name, entry in chosen.items():
        # as they are written in a rule file
        arguments = "\n".join(f"{key}: {json.dumps(value)}" for key, value in entry.defaults.items())
        style = "green" if entry.finds == "success" else ""
        table.add_row(
            Text(name, style="bold"), Text(entry.finds, style=style), Text(entry.about), Text(arguments)
        )
    console = _console()
    console.print(table)
    console.print(
        Text(
            "in a rule: check: {name: length, max_words: 60}, on_match: -1.0 (a violation), or on_match and on_miss"
        )
    )


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
    from rich.table import Table
    from rich.text import Text

    from repo_cli.rewards.rules import RuleSet

    rules = RuleSet.load(_path(file))
    turns = _json(history, "--history", list, [])
    for i, turn in enumerate(turns):
        if not isinstance(turn, dict) or not {"role", "content"} <= set(turn):
            from repo_cli.errors import UserError

            raise UserError(f"--history: message {i} must be {{role, content}}, not {turn!r}")
    result = rules.score(text, _json(scenario, "--scenario", dict, {}), turns, language)
    console = _console()
    marked = Text(text)
    for fired in sorted(result.fired, key=lambda f: f.severity == "hard"):  # hard ones paint over soft ones
        if fired.span[1] - fired.span[0] < len(text):
            marked.stylize(
                STYLES[fired.severity] + " reverse" if fired in result.violations else "green", *fired.span
            )
    console.print(marked)
    if result.fired:
        table = Table("rule", "severity", "adds", "where", "text", "about")
        for fired in result.fired:
            start, end = fired.span
            where = f"{start}-{end}" if end > start else "missing"
            about = rules.by_id[fired.rule].spec.about
            cells = (fired.rule, fired.severity, f"{fired.weight:+g}", where, fired.text, about)
            table.add_row(*(Text(cell, style=_style(fired) if i < 3 else "") for i, cell in enumerate(cells)))
        console.print(table)
    else:
        console.print("no rule fires")
    for rule_id, reason in result.not_scored:
        console.print(Text(f"not scored: {rule_id}: {reason}", style="yellow"))
    console.print(f"total {result.total:+g}")


@app.command(
    "scan",
    epilog=examples(
        "repo rules scan hotel_guardrails dialogues.jsonl --n 5",
        "repo rules scan my_rules.yaml dialogues.jsonl --against my_rules_old.yaml",
    ),
)
def scan(
    file: File,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data file or hub name.", show_default=False)],
    against: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Another version of the set: show what changed.")
    ] = None,
    n: Annotated[int, typer.Option(min=0, help="Hits of each rule to read.")] = 3,
    rule: Annotated[list[str] | None, typer.Option(help="Only this rule; may be given again.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
) -> None:
    """Count each rule's hits on the agent's turns of a corpus, with examples to read."""
    from rich.table import Table
    from rich.text import Text

    from repo_cli.dialogue.files import load_rows
    from repo_cli.rewards.rule_scan import compare, turns_of
    from repo_cli.rewards.rule_scan import scan as run
    from repo_cli.rewards.rules import RuleSet

    after = RuleSet.load(_path(file))
    before = RuleSet.load(_path(against)) if against else None
    _known(rule, [after, *([before] if before else [])])
    rows, _ = load_rows(data, "any", on_bad_row="skip", limit=limit)
    turns = list(turns_of(rows))
    console = _console()
    if before is not None:
        changes = {
            name: c for name, c in compare(before, after, turns, n).items() if not rule or name in rule
        }
        if not changes:
            console.print(f"{len(turns):,} replies: both sets find the same")
            return
        table = Table("rule", "before", "after", "about")
        for name, change in changes.items():
            about = (after if name in after.by_id else before).by_id[name].spec.about
            table.add_row(name, str(change.before), str(change.after), Text(about))
        console.print(table)
        for name, change in changes.items():
            for label, hits in (("no longer", change.gone), ("new", change.new)):
                for turn, fired in hits:
                    console.print(Text(f"{name} {label}: ", style="bold") + _excerpt(turn, fired))
        return
    found = run(after, turns, n)
    table = Table("rule", "severity", "hits", "of replies", "not scored", "about")
    shown = [name for name in after.by_id if not rule or name in rule]
    for name in sorted(shown, key=lambda name: -found.hits[name].count):
        spec, count, skipped = after.by_id[name].spec, found.hits[name].count, found.not_scored.get(name, 0)
        if count or skipped or rule:
            share = f"{count / max(1, len(turns)):.2%}"
            cells = (str(count), share, str(skipped or ""), Text(spec.about))
            table.add_row(name, Text(spec.severity, style=STYLES[spec.severity] if count else ""), *cells)
    console.print(table)
    for name in shown:
        for turn, fired in found.hits[name].examples:
            console.print(Text(f"{name} ", style="bold") + _excerpt(turn, fired))
    hard = f"{found.hard:,} ({found.hard / max(1, len(turns)):.2%}) break a hard rule"
    console.print(f"{data}: {len(rows):,} rows, {len(turns):,} replies, {hard}")


@app.command("new", epilog=examples("repo rules new my_rules.yaml"))
def new(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file to write.", show_default=False)],
) -> None:
    """Write a commented rule set to start from: each form of a rule once."""
    from repo_cli.commands.rules_template import TEMPLATE
    from repo_cli.errors import UserError

    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path}: a rule set is a .yaml file", hint=f"repo rules new {path.name}.yaml")
    if path.exists():
        raise UserError(f"{path} is there already", hint="choose another name, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEMPLATE.format(file=path, stem=path.stem).replace("\\\\", "\\"), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    typer.echo(f"{path}: four rules to change; run `repo rules check {path}`")


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def _style(fired: Fired) -> str:
    return "green" if fired.weight > 0 else STYLES[fired.severity]


def _excerpt(turn: Turn, fired: Fired) -> Text:
    """A hit in its surroundings, marked, and where it stands."""
    from rich.text import Text

    start, end = fired.span
    whole = end - start >= len(turn.text) or end <= start
    left, right = (0, 2 * AROUND) if whole else (max(0, start - AROUND), end + AROUND)
    text = Text(turn.text.replace("\n", " "))
    if not whole:
        text.stylize(STYLES[fired.severity] + " reverse", start, end)
    shown = text[left : min(right, len(turn.text))]
    dots = "…" if right < len(turn.text) else ""
    return Text(f"{turn.name}: ", style="dim") + Text("…" if left else "") + shown + Text(dots)


def _known(wanted: list[str] | None, sets: list[Any]) -> None:
    from repo_cli.errors import UserError, nearest

    ids = [name for rules in sets for name in rules.by_id]
    for name in wanted or ():
        if name not in ids:
            guess = nearest(name, ids)
            raise UserError(f"--rule {name}: no such rule", hint=f"did you mean {guess}?" if guess else None)


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
