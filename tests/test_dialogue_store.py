"""A list on the disk is the list: same entries, same draws, little memory; and stages take their prompts from it."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from stages_kit import config

from repo_cli.dialogue.files import LoadReport, load_rows
from repo_cli.dialogue.store import Stored
from repo_cli.errors import UserError
from repo_cli.stages.data import BatchOrder, prompts_of, stage_prompts


def test_it_reads_as_the_list_that_was_put_in(tmp_path: Path) -> None:
    entries = [
        ({"prompt": [{"role": "user", "content": f"价格 {i}"}], 3: (i, None)}, list(range(i)))
        for i in range(50)
    ]
    stored = Stored.of(iter(entries), tmp_path)
    assert list(stored) == entries and len(stored) == 50 and stored[-1] == entries[-1]
    assert stored[7:12] == entries[7:12] and stored[3] is not stored[3]
    assert random.Random(1).choice(stored) == random.Random(1).choice(entries)
    assert not list(
        tmp_path.iterdir()
    )  # the file has no name: nothing is left behind, however the process ends
    for wrong in (50, -51):
        with pytest.raises(IndexError):
            stored[wrong]
    assert len(Stored.of([], tmp_path)) == 0


def test_ten_times_as_many_entries_take_no_more_memory(tmp_path: Path) -> None:
    def peak(keep: Callable[[Iterator[object]], object], count: int) -> int:
        tracemalloc.start()
        kept = keep(
            ({"prompt": [{"role": "user", "content": f"room {i} " * 20}]}, list(range(i, i + 50)))
            for i in range(count)
        )
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(kept) == count  # type: ignore[arg-type]
        return found

    few, many = (peak(lambda entries: Stored.of(entries, tmp_path), count) for count in (500, 5000))
    assert many - few < 20 * 4500  # where each ends, with room to grow
    assert peak(list, 5000) > 20 * many


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this machine")
    full = SimpleNamespace(TemporaryFile=lambda dir: open("/dev/full", "wb"))  # noqa: SIM115
    monkeypatch.setattr("repo_cli.dialogue.store.tempfile", full)
    with pytest.raises(UserError, match="the rows cannot be kept there \\(No space left on device\\)"):
        Stored.of([b"x" * 100_000], tmp_path)


def test_the_order_of_batches_is_that_of_a_shuffled_list() -> None:
    order = BatchOrder(103, 10, seed=4)
    wanted = list(range(103))
    random.Random("order:4:1").shuffle(wanted)
    assert [i for step in range(11, 22) for i in order.batch(step)] == wanted
    assert isinstance(order.batch(0), list) and len(order.batch(10)) == 3


def test_a_stages_prompts_are_those_of_its_files(tmp_path: Path) -> None:
    dialogue = [
        {"role": "user", "content": "Is there a room?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "How much?"},
        {"role": "assistant", "content": "388."},
    ]
    whole, single = tmp_path / "whole.jsonl", tmp_path / "single.jsonl"
    whole.write_text("".join(json.dumps({"messages": dialogue[:n]}) + "\n" for n in (2, 4)) + "{broken\n")
    single.write_text(json.dumps({"prompt": dialogue[:1]}) + "\n")
    cfg = config("rl", tmp_path, f"data.path={whole}", f"data.also=[{single}]", "data.on_bad_row=skip")
    rows, report = stage_prompts(cfg, tmp_path)
    apart = [
        p
        for path in (whole, single)
        for row in load_rows(str(path), "any", "skip")[0]
        for p in prompts_of(row)
    ]
    assert list(rows) == apart and len(rows) == 4
    assert isinstance(report, LoadReport) and (report.read, report.rows, report.bad) == (4, 3, 1)
    assert str(whole) in report.line() and str(single) in report.line()
    cfg.data.on_bad_row = "fail"
    with pytest.raises(UserError, match="whole.jsonl:3: broken JSON"):
        stage_prompts(cfg, tmp_path)
    cfg.data.path = "world:nothing"
    with pytest.raises(UserError, match="no such corpus"):
        stage_prompts(cfg, tmp_path)
    assert {name for name in os.listdir(tmp_path) if "jsonl" not in name} == set()
