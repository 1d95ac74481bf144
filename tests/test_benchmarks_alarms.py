"""benchmarks/alarms.py on made-up histories: what it takes for the alarms to have been shown, and the exit code."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FALLS = {0: 4.0, 2: 3.9, 4: 3.6, 6: 3.1}
STAYS = {0: 4.0, 2: 3.9, 4: 3.8, 6: 4.1}


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "alarms.py"
    spec = importlib.util.spec_from_file_location("bench_alarms", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(run: Path, ratings: dict[int, float], alarms: list[int]) -> Path:
    """A run that is over: looks at these rounds, alarms that started in those."""
    (run / "final").mkdir(parents=True)
    rows: list[dict[str, Any]] = [{"step": step, "reward/rm": 0.1 * step} for step in range(7)]
    for step, rating in ratings.items():
        rows[step]["dev/rating"] = rating
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = [
        {"name": "length", "step": step, "state": "start", "value": 2.0, "threshold": 1.4, "since": step - 1,
         "action": "warn", "text": "alarm length: replies grow"}
        for step in alarms
    ]  # fmt: skip
    (run / "alarms.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    return run


@pytest.mark.parametrize(
    ("ratings", "alarms", "passes", "said"),
    [
        (FALLS, [3], True, "first alarm in round 3; the rating had fallen by 0.3 at the look after round 4"),
        (FALLS, [5, 3], True, "first alarm in round 3"),
        (FALLS, [4], False, "first alarm in round 4"),  # not before it
        (FALLS, [5], False, "first alarm in round 5"),
        (FALLS, [], False, "first alarm in round None"),
        (STAYS, [3], False, "not shown: the rating did not fall by 0.3; first alarm in round 3"),
        (STAYS, [], False, "not shown"),
        ({0: 4.0}, [1], False, "not shown"),
        ({}, [1], False, "not shown"),
    ],
)
def test_the_hacked_run_shows_something_only_where_its_rating_fell_after_an_alarm(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ratings: dict[int, float], alarms: list[int], passes: bool, said: str,
) -> None:  # fmt: skip
    made(tmp_path / "out" / "rl" / "hacked-0" / "one", ratings, alarms)
    monkeypatch.setattr(sys, "argv", ["alarms.py", "--out", str(tmp_path / "out"), "--only", "hacked"])
    assert bench.main() == (0 if passes else 1)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("hacked: passed: " if passes else "hacked: FAILED: ") and said in last
    kept = json.loads((tmp_path / "out" / "alarms.json").read_text())["hacked"]
    assert kept["passed"] is passes and len(kept["alarms"]) == len(alarms)


def test_the_healthy_run_must_come_to_its_end_in_silence(bench: ModuleType, tmp_path: Path) -> None:
    silent = bench.judged(made(tmp_path / "a", FALLS, []))
    assert bench.verdict("healthy", silent, True) == (
        True,
        "7 rounds, 0 alarms, each of which would have stopped it",
    )
    assert not bench.verdict("healthy", silent, False)[0]
    assert not bench.verdict("healthy", bench.judged(made(tmp_path / "b", STAYS, [3])), True)[0]
