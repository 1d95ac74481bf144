"""From checked rows to samples, and the second gate: what is wrong only once a row has become tokens.

A row with nothing left to learn after truncation, or a pair whose two sides are the same ids, is a bad row
like any
other: named by file and line, or left out and counted (`on_bad_row`). Turns that do not fit and replies
that are cut are counted in the report's notes. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from repo_cli.dialogue.files import LoadReport, bad_row
from repo_cli.dialogue.messages import Message
from repo_cli.dialogue.rows import Row
from repo_cli.dialogue.tokens import ChatFormat, Sample, TooLong
from repo_cli.errors import UserError

NOTHING = "nothing left to learn"
TRUNCATED = "identical after truncation"


@dataclass
class PairSample:
    """Two samples with the same context ids; `row` is the row they come from."""

    chosen: Sample
    rejected: Sample
    margin: float
    row: Row


def sft_samples(
    rows: Sequence[Row],
    fmt: ChatFormat,
    report: LoadReport,
    on_bad_row: str = "fail",
    max_messages: int | None = None,
) -> list[Sample]:
    """The samples of SFT rows, in the rows' order; `report` is brought up to date.

    Raises:
        UserError: naming file and line, or that every row is truncated away.
    """
    samples: list[Sample] = []
    bad_before = report.bad
    for row, encoded in zip(rows, fmt.encode([r["messages"] for r in rows], max_messages), strict=True):
        if not encoded.samples:
            _nothing(report, row, fmt, on_bad_row)
            continue
        samples += encoded.samples
        report.notes["agent turns left out, too long for policy.max_length"] += encoded.dropped
    _done(len(samples), report, fmt, bad_before)
    return samples


def preference_samples(
    rows: Sequence[Row], fmt: ChatFormat, report: LoadReport, on_bad_row: str = "fail"
) -> list[PairSample]:
    """The pairs of preference rows as ids; both sides have the same context (the longer reply decides how
    much of it).

    Raises:
        UserError: naming file and line of a pair that is identical, or gone, after truncation; or that all
            are.
    """
    pairs: list[PairSample] = []
    bad_before = report.bad
    for row in rows:
        try:
            chosen, rejected = fmt.preference(
                row["prompt"], row["chosen"][-1]["content"], row["rejected"][-1]["content"]
            )
        except TooLong:
            _nothing(report, row, fmt, on_bad_row)
            continue
        if chosen.ids == rejected.ids:
            bad_row(
                report,
                TRUNCATED,
                f"{_at(row)}: chosen and rejected are the same after truncation to "
                f"policy.max_length {fmt.max_length}",
                on_bad_row,
            )
            continue
        for side in (chosen, rejected):
            report.notes["replies cut at policy.max_length"] += side.ids[-len(fmt.end_ids) :] != fmt.end_ids
        pairs.append(PairSample(chosen, rejected, float(row.get("margin") or 0.0), row))
    _done(len(pairs), report, fmt, bad_before)
    return pairs


def prompt_contexts(
    rows: Sequence[Row], fmt: ChatFormat, report: LoadReport, on_bad_row: str = "fail"
) -> list[tuple[Row, list[int]]]:
    """(row, context ids) of prompts that leave room for a reply (`fmt.reply_room`)."""
    return list(each_context(rows, fmt, report, on_bad_row))


def each_context(
    rows: Iterable[Row], fmt: ChatFormat, report: LoadReport, on_bad_row: str = "fail"
) -> Iterator[tuple[Row, list[int]]]:
    """The same one by one; the report, and the error where none is left, are brought up to date at the end."""
    found, bad_before = 0, report.bad
    for row in rows:
        try:
            made = row, fmt.context_ids(row["prompt"])
        except TooLong as error:
            bad_row(report, "prompt too long", f"{_at(row)}: {error.message}", on_bad_row)
            continue
        found += 1
        yield made
    _done(found, report, fmt, bad_before)


def length_gap(pairs: Sequence[PairSample]) -> tuple[float, float]:
    """Mean reply tokens of the chosen and of the rejected side: a wide gap teaches a reward model to count
    words."""
    count = max(len(pairs), 1)
    return (
        sum(sum(p.chosen.mask) for p in pairs) / count,
        sum(sum(p.rejected.mask) for p in pairs) / count,
    )


def last_reply(messages: Sequence[Message]) -> str | None:
    """The text of the last assistant turn."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "assistant"), None)


def _at(row: Row) -> str:
    return str(row.get("_at") or row.get("id") or "a row without a place")


def _nothing(report: LoadReport, row: Row, fmt: ChatFormat, on_bad_row: str) -> None:
    bad_row(
        report,
        NOTHING,
        f"{_at(row)}: nothing left to learn after truncation to policy.max_length {fmt.max_length}",
        on_bad_row,
    )


def _done(found: int, report: LoadReport, fmt: ChatFormat, bad_before: int) -> None:
    lost = report.bad - bad_before
    report.rows -= lost
    if lost and not found:
        raise UserError(
            f"{report.path}: none of its {lost} good rows is left after truncation to policy.max_length "
            f"{fmt.max_length}; the first: {report.examples[min(bad_before, len(report.examples) - 1)]}",
            hint="raise policy.max_length",
        )
