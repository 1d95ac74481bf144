"""`repo data show PATH`: the tokens of the first rows, in colour; what is learned stands out.

Learned tokens (mask 1) are black on green, all others grey; two shades in turn show where one token ends.
The ids come from the same functions that training calls.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from repo_cli.dialogue.files import load_rows
from repo_cli.dialogue.rows import Row
from repo_cli.dialogue.tokens import ChatFormat, Sample

LEARNED = ("black on green3", "black on dark_sea_green2")
CONTEXT = ("grey58", "grey39")


def show(path: str, fmt: ChatFormat, n: int = 3, kind: str = "any") -> Group:
    """The first `n` good rows of a file as coloured tokens.

    Raises:
        UserError: an unreadable file, a bad row before the n-th good one, a dialogue that does not fit.
    """
    rows, report = load_rows(path, kind, limit=n)
    panels: list[Any] = [_legend(fmt)]
    for row in rows:
        for title, sample in samples_of(row, report.kind, fmt):
            counts = f"{len(sample.ids)} tokens, {sum(sample.mask)} learned"
            panels.append(Panel(paint(sample, fmt), title=Text(f"{row['_at']}  {title}"), subtitle=counts))
    return Group(*panels)


def samples_of(row: Row, kind: str, fmt: ChatFormat) -> list[tuple[str, Sample]]:
    """(title, sample) of a row of any kind, as its stage would build them."""
    if kind == "preference":
        chosen, rejected = fmt.preference(
            row["prompt"], row["chosen"][-1]["content"], row["rejected"][-1]["content"]
        )
        return [("chosen", chosen), ("rejected", rejected)]
    if kind == "judge":
        return [("reply", fmt.pair(row["prompt"], row["reply"]))]
    if kind == "prompts":
        return [("context", fmt.from_rollout(fmt.context_ids(row["prompt"]), []))]
    messages = row["messages"] if kind == "sft" else row["prompt"]
    samples = fmt.training_samples(messages)
    if not samples:
        return [("nothing left to learn after truncation", Sample([], []))]
    return [(f"sample {i} of {len(samples)}", s) for i, s in enumerate(samples, start=1)]


def paint(sample: Sample, fmt: ChatFormat) -> Text:
    """The tokens of a sample in colour; white space that cannot be seen is written out."""
    text = Text()
    for i, (token, learned) in enumerate(zip(sample.ids, sample.mask, strict=True)):
        text.append(token_text(token, fmt), style=(LEARNED if learned else CONTEXT)[i % 2])
    return text


def token_text(token: int, fmt: ChatFormat) -> str:
    """One token to be read: its text, or its name in the vocabulary where it is only a part of a
    character."""
    text = str(fmt.tokenizer.decode([token], skip_special_tokens=False))
    if "\ufffd" in text or not text:
        text = f"‹{fmt.tokenizer.convert_ids_to_tokens([token])[0]}›"
    return text.replace("\n", "↵\n").replace("\t", "⇥")


def _legend(fmt: ChatFormat) -> Text:
    ends = " ".join(token_text(i, fmt) for i in fmt.end_ids)
    stops = " ".join(f"{token_text(i, fmt)} ({i})" for i in fmt.stop_ids)
    legend = Text("learned", style=LEARNED[0])
    legend.append("  ").append("context", style=CONTEXT[0])
    return legend.append(
        f"  a reply ends with {ends}; generation stops at {stops}; pad id {fmt.pad_id}", style="default"
    )
