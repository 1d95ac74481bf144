"""`repo data validate PATH`: what is in a file, how long it is, and every bad row by file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repo_cli.dialogue.checks import preference_samples, prompt_contexts, sft_samples
from repo_cli.dialogue.files import LoadReport, load_rows
from repo_cli.dialogue.messages import Message
from repo_cli.dialogue.pair_gate import GateReport, gate, row_view, sample_view
from repo_cli.dialogue.rows import Row
from repo_cli.dialogue.tokens import ChatFormat
from repo_cli.errors import UserError

if TYPE_CHECKING:
    from rich.console import Group


@dataclass
class ValidationReport:
    """What `validate` found. `facts` are (name, value) lines in the order in which they are shown."""

    load: LoadReport
    facts: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gate: GateReport | None = None  # of preference pairs

    @property
    def ok(self) -> bool:
        """No bad row. Warnings do not count."""
        return self.load.bad == 0

    def table(self) -> Group:
        """The report for a terminal (rich)."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table("what", "value", title=self.load.path, title_justify="left")
        for name, value in self.facts:
            table.add_row(Text(name), Text(value))
        bad = Table("bad rows", "how many", show_header=True) if self.load.bad else None
        parts: list[Any] = [table, *([self.gate.table()] if self.gate else [])]
        if bad is not None:
            for kind, count in self.load.reasons.most_common():
                bad.add_row(Text(kind), str(count))
            parts.append(bad)
        # Text, not str: rows quote the file, and what stands in brackets there is no markup
        parts += [Text(f"  {example}", style="red") for example in self.load.examples]
        if self.load.bad > len(self.load.examples):
            parts.append(Text(f"  and {self.load.bad - len(self.load.examples)} more"))
        parts += [Text(f"warning: {w}", style="yellow") for w in self.warnings]
        parts.append(
            Text("good" if self.ok else f"{self.load.bad} bad rows", style="green" if self.ok else "red")
        )
        return Group(*parts)


def validate(
    path: str, kind: str = "any", fmt: ChatFormat | None = None, held: str | None = None
) -> ValidationReport:
    """Read a whole file, bad rows and all.

    Args:
        path, kind: as in `load_rows`.
        fmt: with it, lengths are in tokens and rows that truncation empties are found too.
        held: a file of held-out preference pairs, to find what training must not see.
    Raises:
        UserError: a file that cannot be read at all, or has no good row.
    """
    rows, load = load_rows(path, kind, on_bad_row="skip")
    report = ValidationReport(load)
    report.facts += [("kind", load.kind), ("rows", str(load.read)), ("good rows", str(load.rows))]
    dialogues = [_dialogue(row, load.kind) for row in rows]
    roles = Counter(m["role"] for d in dialogues for m in d)
    report.facts.append(("messages", ", ".join(f"{n} {role}" for role, n in sorted(roles.items()))))
    report.facts.append(("messages a row", spread([len(d) for d in dialogues])))
    report.facts.append(("agent opens", str(sum(_agent_opens(d) for d in dialogues))))
    report.facts.append(
        (
            "words a reply",
            spread([_words(m["content"]) for d in dialogues for m in d if m["role"] == "assistant"]),
        )
    )
    twice = len(dialogues) - len({tuple((m["role"], m["content"]) for m in d) for d in dialogues})
    if twice and load.kind != "preference":
        report.warnings.append(f"{twice} rows repeat another row word for word")
    silent = sum(not m["content"].strip() for d in dialogues for m in d if m["role"] == "user")
    if silent:
        report.warnings.append(f"{silent} user turns are empty")
    if held is not None and load.kind != "preference":
        raise UserError(
            f"{path}: these are {load.kind} rows, and only preference pairs can leak into held-out ones"
        )
    if load.kind == "preference":
        _pairs(rows, fmt, report, held)
    elif fmt is not None:
        _tokens(rows, fmt, report)
    if fmt is not None:
        report.facts[2] = ("good rows", str(load.rows))
        report.warnings += [f"{n} {what}" for what, n in load.notes.items() if n]
    return report


def _pairs(rows: list[Row], fmt: ChatFormat | None, report: ValidationReport, held: str | None) -> None:
    """The gate that these pairs will pass before training (pair_gate.py): in tokens, or in words without a policy."""
    load = report.load
    held_rows, held_load = (
        load_rows(held, "preference", on_bad_row="skip") if held is not None else ([], None)
    )
    try:
        if fmt is None:
            _, _, report.gate = gate(
                rows, held_rows if held else None, row_view, load, held_load, unit="words"
            )
        else:
            pairs = preference_samples(rows, fmt, load, "skip")
            theirs = preference_samples(held_rows, fmt, held_load, "skip") if held_load is not None else None
            report.facts.append(("tokens a chosen sample", spread([len(p.chosen.ids) for p in pairs])))
            _, _, report.gate = gate(pairs, theirs, sample_view, load, held_load)
    except UserError as error:  # no pair is left: the report says so, and shows the rows
        report.warnings.append(error.message)
    if report.gate is not None:
        report.warnings += report.gate.warnings


def _tokens(rows: list[Row], fmt: ChatFormat, report: ValidationReport) -> None:
    load = report.load
    try:
        if load.kind == "sft":
            samples = sft_samples(rows, fmt, load, "skip")
            report.facts.append(("tokens a sample", spread([len(s.ids) for s in samples])))
            report.facts.append(("learned tokens", str(sum(sum(s.mask) for s in samples))))
        elif load.kind == "prompts":
            contexts = prompt_contexts(rows, fmt, load, "skip")
            report.facts.append(("tokens a context", spread([len(ids) for _, ids in contexts])))
    except UserError as error:  # every row truncated away: the report says so, and shows the rows
        report.warnings.append(error.message)


def spread(values: Sequence[int]) -> str:
    """min / median / 95% / max of whole numbers, in one line."""
    if not values:
        return "none"
    ordered = sorted(values)
    last = len(ordered) - 1
    low, middle, high = ordered[0], ordered[last // 2], ordered[round(last * 0.95)]
    return f"min {low}, median {middle}, 95% {high}, max {ordered[-1]}"


def _dialogue(row: Row, kind: str) -> list[Message]:
    """All messages of a row of a kind, the chosen side for a pair. Fields of other kinds were not checked: they may
    hold anything."""
    if kind == "sft":
        return list(row["messages"])
    messages = list(row.get("prompt") or row.get("messages") or [])
    if kind == "preference":
        messages += row["chosen"]
    if kind == "judge":
        messages.append({"role": "assistant", "content": row["reply"]})
    return messages


def _agent_opens(dialogue: Sequence[Message]) -> bool:
    return next((m["role"] for m in dialogue if m["role"] != "system"), "assistant") == "assistant"


def _words(text: str) -> int:
    """Words between spaces; a Chinese character is a word."""
    wide = sum("\u4e00" <= c <= "\u9fff" for c in text)
    return wide + len("".join(" " if "\u4e00" <= c <= "\u9fff" else c for c in text).split())
