"""The gate that preference pairs pass before a model is trained on them: counted, shown, and what misleads taken out.

    ties        a margin of 0 (where other rows of the file have a margin), or the same pair both ways round
    repeats     the same pair again
    leaks       a training pair that the held-out pairs hold too, or that shares a reply to the same context with them:
                a model that learnt it there knows the answer, so it leaves the training pairs, whatever the settings
    length gap  mean length of both sides, and how often the chosen reply is the longer one: what a model that does
                nothing but count would get right

Rows whose sides are identical, as written or after truncation, never come this far: they are bad rows (rows.py,
checks.py) and stand in the same table. `repo train-rm` and `repo data validate` both use `gate`. No torch here.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from repo_cli.dialogue.checks import TRUNCATED, PairSample
from repo_cli.dialogue.corruptions import words
from repo_cli.dialogue.files import LoadReport
from repo_cli.dialogue.rows import Row
from repo_cli.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")

IDENTICAL = "identical pair"  # as rows.py names it
#: Mean lengths of the two sides that are further apart than this ratio are worth a warning.
GAP = 1.5
#: So is a share of pairs above this in which the same side is the longer one (of FEW pairs at least).
LEAN, FEW = 0.7, 20


@dataclass(frozen=True)
class PairView:
    """A pair as the gate sees it.

    Attributes:
        chosen, rejected: the names of a side together with its context: one made of the text as written and, with a
            tokenizer, one made of the ids that the model sees. Two sides are the same when they share a name.
        lengths: of the chosen and of the rejected reply.
        margin: None where the row has none. scenario: the scenario's id, "" without.
    """

    chosen: tuple[bytes, ...]
    rejected: tuple[bytes, ...]
    lengths: tuple[int, int]
    margin: float | None = None
    scenario: str = ""
    two_starts: bool = (
        False  # the context's first token comes twice: a template and a tokenizer that both write BOS
    )


@dataclass
class PairCounts:
    """What the gate found in one part of the data (training or held-out), in rows."""

    rows: int = 0
    identical: int = 0
    identical_truncated: int = 0
    other_bad: int = 0
    zero_margin: int = 0
    both_ways: int = 0
    repeats: int = 0
    leaked_pairs: int = 0
    leaked_replies: int = 0
    used: int = 0
    chosen_length: float = 0.0
    rejected_length: float = 0.0
    longer: float = 0.0
    shorter: float = 0.0
    margins: tuple[float, float, float] | None = None  # least, mean, greatest
    known_scenarios: int = 0  # held-out pairs of a scenario that the training pairs have too
    cut: int = 0
    two_starts: int = 0


@dataclass
class GateReport:
    """The counts of both parts; `held` is None where only one file was looked at. unit: of the lengths."""

    train: PairCounts
    held: PairCounts | None = None
    unit: str = "tokens"
    dropped_ties: bool = True
    dropped_repeats: bool = True
    warnings: list[str] = field(default_factory=list)

    def lines(self) -> list[tuple[str, str, str]]:
        """(what, training, held-out) as text, in the order in which they are shown."""
        kept_ties = "" if self.dropped_ties else " (kept)"
        kept_repeats = "" if self.dropped_repeats else " (kept)"
        counts: list[tuple[str, str]] = [
            ("rows", "rows"),
            ("identical as written", "identical"),
            ("identical after truncation", "identical_truncated"),
            ("other bad rows", "other_bad"),
            (f"tie: margin 0{kept_ties}", "zero_margin"),
            (f"tie: the same pair both ways round{kept_ties}", "both_ways"),
            (f"the same pair again{kept_repeats}", "repeats"),
        ]
        out = [self._line(what, lambda c, name=name: str(getattr(c, name))) for what, name in counts]  # type: ignore[misc]
        if self.held is not None:
            out.append(("leak: the same pair is held out", str(self.train.leaked_pairs), ""))
            out.append(("leak: a reply to the same context is held out", str(self.train.leaked_replies), ""))
        out.append(self._line("pairs used", lambda c: str(c.used)))
        lengths = f"reply {self.unit}, chosen / rejected"
        out.append(self._line(lengths, lambda c: f"{c.chosen_length:.1f} / {c.rejected_length:.1f}"))
        out.append(
            self._line(
                "chosen is longer / shorter", lambda c: f"{100 * c.longer:.0f}% / {100 * c.shorter:.0f}%"
            )
        )
        if self.train.cut or (self.held and self.held.cut):
            out.append(self._line("replies cut at policy.max_length", lambda c: str(c.cut)))
        if self.train.margins:
            out.append(self._line("margin, least / mean / greatest", _margins))
        if self.held is not None and self.held.known_scenarios:
            out.append(("of a scenario that training has too", "", str(self.held.known_scenarios)))
        return out

    def _line(self, what: str, text: Callable[[PairCounts], str]) -> tuple[str, str, str]:
        return what, text(self.train), text(self.held) if self.held is not None else ""

    def table(self) -> Table:
        """The counts for a terminal (rich)."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title="Preference pairs", title_justify="left", pad_edge=False)
        table.add_column("")
        table.add_column("training" if self.held is not None else "pairs", justify="right")
        if self.held is not None:
            table.add_column("held-out", justify="right")
        for what, train, held in self.lines():
            style = "bold" if what == "pairs used" else ""
            cells = [Text(what, style=style), Text(train, style=style)]
            table.add_row(*cells, *([Text(held, style=style)] if self.held is not None else []))
        return table

    def need_pairs(self, path: str) -> None:
        """Raises UserError when no training pair is left."""
        if not self.train.used:
            why = ", ".join(f"{n} {what}" for what, n in _removed(self.train) if n)
            raise UserError(
                f"{path}: none of its {self.train.rows} rows is left to train on"
                + (f" ({why})" if why else ""),
                hint="train_rm.ties=keep and train_rm.repeats=keep leave them in; leaks want another data.val_path",
            )

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for rm_report.json."""
        held = asdict(self.held) if self.held is not None else None
        return {"train": asdict(self.train), "held": held, "unit": self.unit, "warnings": self.warnings}


def sample_view(pair: PairSample) -> PairView:
    """A tokenised pair: sides are the same when their texts are, or their ids after truncation."""
    written = row_view(pair.row)
    return PairView(
        (*written.chosen, _of_ids(pair.chosen.ids)),
        (*written.rejected, _of_ids(pair.rejected.ids)),
        (sum(pair.chosen.mask), sum(pair.rejected.mask)),
        written.margin,
        written.scenario,
        two_starts=len(pair.chosen.ids) > 1 and pair.chosen.ids[0] == pair.chosen.ids[1],
    )


def row_view(row: Row) -> PairView:
    """A pair of texts, where there is no tokenizer: lengths are in words."""
    context = context_name(row)
    replies = [row[name][-1]["content"].strip() for name in ("chosen", "rejected")]
    sides = [(_digest(context + reply.encode()),) for reply in replies]
    margin = row.get("margin")
    scenario = (row.get("scenario") or {}).get("id")
    return PairView(
        sides[0],
        sides[1],
        (len(words(replies[0])), len(words(replies[1]))),
        None if margin is None else float(margin),
        "" if scenario is None else str(scenario),
    )


def context_name(row: Row) -> bytes:
    """A name for what was said before the reply: rows that share it belong on the same side of a split."""
    said = "".join(f"{m['role']}\0{m['content'].strip()}\0" for m in row["prompt"])
    return _digest(said.encode())


def _of_ids(ids: Sequence[int]) -> bytes:
    return _digest(b"ids" + array("q", ids).tobytes())


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def gate(
    train: Sequence[T],
    held: Sequence[T] | None,
    view: Callable[[T], PairView],
    load: LoadReport,
    held_load: LoadReport | None = None,
    drop_ties: bool = True,
    drop_repeats: bool = True,
    unit: str = "tokens",
) -> tuple[list[T], list[T], GateReport]:
    """The pairs to train on, those to hold out, and the counts.

    Args:
        train, held: pairs of any form; held None = there is no held-out part.
        view: one pair as the gate sees it (`sample_view`, `row_view`).
        load, held_load: what reading and tokenising left out of either part.
        drop_ties, drop_repeats: whether these leave (both parts alike), or are only counted.
    """
    ours, theirs = [view(p) for p in train], [view(p) for p in held or ()]
    counts, keep = _inside(ours, load, drop_ties, drop_repeats)
    held_counts, held_keep = _inside(theirs, held_load or LoadReport("", ""), drop_ties, drop_repeats)
    _leaks(ours, theirs, counts, keep)
    known = {v.scenario for v, kept in zip(ours, keep, strict=True) if kept and v.scenario}
    held_counts.known_scenarios = sum(
        kept and v.scenario in known for v, kept in zip(theirs, held_keep, strict=True)
    )
    for views, kept, found in ((ours, keep, counts), (theirs, held_keep, held_counts)):
        _lengths([v for v, k in zip(views, kept, strict=True) if k], found)
    report = GateReport(counts, held_counts if held is not None else None, unit, drop_ties, drop_repeats)
    report.warnings += _warnings(counts)
    return (
        [p for p, kept in zip(train, keep, strict=True) if kept],
        [p for p, kept in zip(held or (), held_keep, strict=True) if kept],
        report,
    )


def _inside(
    views: Sequence[PairView], load: LoadReport, drop_ties: bool, drop_repeats: bool
) -> tuple[PairCounts, list[bool]]:
    """Ties and repeats within one part, and which pairs stay."""
    identical, truncated = load.reasons[IDENTICAL], load.reasons[TRUNCATED]
    counts = PairCounts(len(views) + load.bad, identical, truncated, load.bad - identical - truncated)
    counts.cut = load.notes["replies cut at policy.max_length"]
    graded = any(v.margin for v in views)  # a column of zeros alone says nothing
    ways = {name for v in views for name in _names(v)}
    seen: set[tuple[bytes, bytes]] = set()
    keep = []
    for v in views:
        zero = graded and v.margin == 0
        both = any((b, a) in ways for a, b in _names(v))
        again = any(name in seen for name in _names(v))
        seen.update(_names(v))
        tie = zero or both
        counts.zero_margin += zero
        counts.both_ways += both and not zero
        counts.repeats += again and not tie
        keep.append(not ((tie and drop_ties) or (again and drop_repeats)))
    return counts, keep


def _leaks(
    ours: Sequence[PairView], theirs: Sequence[PairView], counts: PairCounts, keep: list[bool]
) -> None:
    """Training pairs whose replies the held-out pairs judge too: `keep` becomes False. All held-out rows count, those
    that leave as ties as well."""
    pairs = {frozenset(name) for v in theirs for name in _names(v)}
    replies = {name for v in theirs for name in (*v.chosen, *v.rejected)}
    for i, v in enumerate(ours):
        if not keep[i]:
            continue
        if any(frozenset(name) in pairs for name in _names(v)):
            counts.leaked_pairs += 1
        elif any(name in replies for name in (*v.chosen, *v.rejected)):
            counts.leaked_replies += 1
        else:
            continue
        keep[i] = False


def _names(v: PairView) -> list[tuple[bytes, bytes]]:
    return list(zip(v.chosen, v.rejected, strict=True))


def _lengths(views: Sequence[PairView], counts: PairCounts) -> None:
    counts.used = n = len(views)
    if not n:
        return
    counts.chosen_length = sum(v.lengths[0] for v in views) / n
    counts.rejected_length = sum(v.lengths[1] for v in views) / n
    counts.two_starts = sum(v.two_starts for v in views)
    counts.longer = sum(v.lengths[0] > v.lengths[1] for v in views) / n
    counts.shorter = sum(v.lengths[0] < v.lengths[1] for v in views) / n
    margins = [v.margin for v in views if v.margin is not None]
    counts.margins = (min(margins), sum(margins) / len(margins), max(margins)) if margins else None


def _warnings(counts: PairCounts) -> list[str]:
    """What the user should look at before training."""
    found = []
    high = max(counts.chosen_length, counts.rejected_length)
    low = max(min(counts.chosen_length, counts.rejected_length), 1.0)
    lean = max(counts.longer, counts.shorter)
    if high > GAP * low or (lean > LEAN and counts.used >= FEW):
        which = "longer" if counts.longer >= counts.shorter else "shorter"
        found.append(
            "chosen and rejected replies differ much in length: a reward model may count words "
            f"(always taking the {which} reply is right on {100 * lean:.0f}% of the pairs)"
        )
    if counts.two_starts:
        found.append(
            f"{counts.two_starts} contexts begin with their first token twice "
            "(the chat template and the tokenizer both write one)"
        )
    removed = sum(n for _, n in _removed(counts))
    if removed > 0.2 * max(1, counts.rows):
        found.append(f"{removed} of {counts.rows} rows are ties, repeats or leaks")
    return found


def _removed(counts: PairCounts) -> list[tuple[str, int]]:
    return [
        ("ties by margin", counts.zero_margin),
        ("both ways round", counts.both_ways),
        ("repeats", counts.repeats),
        ("held out too", counts.leaked_pairs + counts.leaked_replies),
    ]


def _margins(counts: PairCounts) -> str:
    return " / ".join(f"{round(m, 3):g}" for m in counts.margins) if counts.margins else "none"
