"""scripts/kill_test.py in small: a REPO run killed in generation, in a judge's call and in a checkpoint write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="waits for orphans as only Linux can")
def test_kills_in_small(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "kill_test.py"), "--kills", "3", "--runs", "repo",
         "--ranks", "1", "--steps", "3", "--moments", "generation,judge call,half the weights", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((out / "kills.json").read_text())
    assert found["wrong"] == [] and found["kills"] == 3
    assert {row["moment"] for row in found["rows"]} == {"generation", "judge call", "half the weights"}
    assert all(row["equal"] == "yes" for row in found["rows"])
    assert "3 kills in" in (out / "kills.md").read_text()


def test_a_kill_that_does_not_come_is_no_pass(tmp_path: Path) -> None:
    """Two steps leave nothing to prune: the moment never comes, and the script says so."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "kill_test.py"), "--kills", "1", "--runs", "sft",
         "--ranks", "1", "--steps", "2", "--moments", "pruning", "--out", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1 and "0 of 1 kills happened" in done.stdout, done.stdout + done.stderr
