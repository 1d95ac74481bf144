"""Where a stage's rows come from (`data.path`), and in which order it sees them.

`data.path` is a file, a hub name, what `repo sample` made, or `world:<corpus>` for the built-in world's own data;
`data.also` adds more of the same kind. A judge's labelled examples become SFT rows here, and whole dialogues become RL
prompts, so that every stage takes every file that can serve it.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Hashable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

from repo_cli.config.schema import Config
from repo_cli.dialogue.files import LoadReport, each_row
from repo_cli.dialogue.store import Stored
from repo_cli.errors import UserError, nearest
from repo_cli.worlds import world_of

Row = dict[str, Any]

#: Where an SFT row that was made of a judge's labelled example keeps that example.
EXAMPLE = "_example"

#: Which kinds of row serve a stage: judge examples become SFT rows, whole dialogues become prompts.
SERVES = {"sft": ("sft", "judge"), "preference": ("preference",), "prompts": ("prompts", "badcases", "sft")}

#: What `repo sample` writes, by the kind of the stage that it serves.
SAMPLED = {"preference": "preference.jsonl", "sft": "judge.jsonl"}


def stage_rows(
    cfg: Config, kind: str, path: str | None = None, limit: int | None = None
) -> tuple[list[Row], LoadReport]:
    """The rows of `path` (default `data.path`, and after it those of `data.also`) as `kind` ("sft", "preference"), and
    what was left out.

    Raises UserError where the file, the corpus or a row is not what the stage needs.
    """
    if path is not None:
        return _rows(cfg, kind, path, limit)
    (source, most), *also = _sources(cfg)
    rows, report = _rows(cfg, kind, source, limit if limit is not None else most)
    for source, most in also:
        more, other = _rows(cfg, kind, source, most)
        rows, report = rows + more, report.joined(other)
    return rows, report


def stage_prompts(cfg: Config, folder: Path) -> tuple[Stored[Row], LoadReport]:
    """The prompts of `data.path` and `data.also`, and what was left out; errors as in `stage_rows`.

    They are read one by one and lie in a file without a name in `folder`, so that their number costs no memory.
    """
    sources = _sources(cfg)
    reports = [LoadReport(source, "any") for source, _ in sources]
    each = zip(sources, reports, strict=True)
    rows = (row for (source, most), report in each for row in _each(cfg, "prompts", source, most, report))
    kept = Stored.of((prompt for row in rows for prompt in prompts_of(row)), folder)
    return kept, reduce(LoadReport.joined, reports)


def _sources(cfg: Config) -> list[tuple[str, int | None]]:
    """(Where rows come from, how many at most)."""
    if not cfg.data.path:
        raise UserError(
            "data.path is not set: the stage has nothing to train on", hint="data.path=FILE.jsonl"
        )
    return [(cfg.data.path, cfg.data.limit), *((source, None) for source in cfg.data.also)]


def _each(cfg: Config, kind: str, source: str, limit: int | None, report: LoadReport) -> Iterator[Row]:
    """The rows of one source as they stand in it."""
    source = report.path = sampled_file(source, kind)
    if source.startswith("world:"):
        report.kind = kind
        for row in world_rows(cfg, source.removeprefix("world:"), limit):
            report.read = report.rows = report.rows + 1
            yield row
        return
    for row in each_row(source, "any", cfg.data.on_bad_row, limit, report):
        if report.kind not in SERVES[kind]:
            needed = " or ".join(SERVES[kind])
            raise UserError(
                f"data.path={source}: these are {report.kind} rows, and this stage needs {needed} rows",
                hint="the fields of each kind are in the README; repo data validate PATH shows what a file holds",
            )
        yield row


def _rows(cfg: Config, kind: str, source: str, limit: int | None) -> tuple[list[Row], LoadReport]:
    report = LoadReport(source, "any")
    rows = list(_each(cfg, kind, source, limit, report))
    if kind == "sft" and rows and "scores" in rows[0]:
        from repo_cli.rewards.judge_prompt import judge_rows_to_sft

        asked = judge_rows_to_sft(rows, cfg.rubric, cfg.sop, cfg.judge.prompt)
        rows = [{**new, EXAMPLE: row} for new, row in zip(asked, rows, strict=True)]
    return rows, report


def sampled_file(source: str, kind: str) -> str:
    """In a `final/` of `repo sample`, or the run around one, the file that serves the stage; else `source` itself."""
    folder = Path(source).expanduser()
    for place in (folder, folder / "final"):
        if any((place / name).is_file() for name in SAMPLED.values()):
            if kind not in SAMPLED or not (place / SAMPLED[kind]).is_file():
                held = ", ".join(name for name in SAMPLED.values() if (place / name).is_file())
                raise UserError(f"{source} holds {held}, and this stage needs {kind} rows")
            return str(place / SAMPLED[kind])
    return source


def world_rows(cfg: Config, corpus: str, limit: int | None) -> Iterator[Row]:
    """`limit` rows (default: the corpus's own size) of a corpus of the built-in world, one by one."""
    world = world_of(cfg)
    if corpus not in world.sizes:
        raise UserError(
            f"data.path=world:{corpus}: the world '{world.name}' has no such corpus",
            hint=f"nearest: {nearest(corpus, world.sizes)}; all: {', '.join(world.sizes)}",
        )
    return (world.rows(corpus, index) for index in range(limit or world.sizes[corpus]))


def prompts_of(row: Row) -> list[Row]:
    """A prompts row as it is; a whole dialogue as one prompt before each of its assistant turns."""
    if "prompt" in row:
        return [row]
    scenario = row.get("scenario", {})
    return [
        {"prompt": row["messages"][:i], "scenario": scenario, "reference": message["content"]}
        for i, message in enumerate(row["messages"])
        if message["role"] == "assistant"
    ]


def split_rows(
    rows: list[Row], fraction: float, seed: int, together: Callable[[Row], Hashable] | None = None
) -> tuple[list[Row], list[Row]]:
    """(train, held out) by a seeded shuffle; at least one row is held out when `fraction` > 0.

    together: rows for which it gives the same stay on one side, so that a few more than asked for may be held out.
    """
    order = list(range(len(rows)))
    random.Random(f"split:{seed}").shuffle(order)
    held = max(1, round(len(rows) * fraction)) if fraction > 0 else 0
    groups: dict[Hashable, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(together(row) if together else i, []).append(i)
    group_of = {i: members for members in groups.values() for i in members}
    out: set[int] = set()
    for i in order:
        if len(out) >= held:
            break
        out.update(group_of[i])
    if len(out) >= len(rows):
        raise UserError(f"data.val_fraction={fraction} leaves nothing to train on ({len(rows)} rows)")
    return [r for i, r in enumerate(rows) if i not in out], [r for i, r in enumerate(rows) if i in out]


class BatchOrder:
    """Which rows make step k: a function of (seed, k) alone, so that a resumed run needs no stored cursor."""

    def __init__(self, rows: int, batch_size: int, seed: int, shuffle: bool = True) -> None:
        self.rows, self.batch_size, self.seed, self.shuffle = rows, min(batch_size, rows), seed, shuffle
        self.per_epoch = -(-rows // self.batch_size)
        self._epoch, self._order = -1, array("L")

    def batch(self, step: int) -> list[int]:
        """Row indices of step `step` (0-based); the last batch of an epoch may be smaller."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, array("L", range(self.rows))
            if self.shuffle:
                random.Random(f"order:{self.seed}:{epoch}").shuffle(self._order)
        return list(self._order[at * self.batch_size : (at + 1) * self.batch_size])
