"""The table of a failing judge in its smallest form: no invented score, no text paid for twice, a stop where it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_fault_table_in_small(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(BENCHMARKS / "judge_faults.py"), "--faults", "garbage,refusal", "--rates",
         "30,100", "--on-missing", "drop_row", "--json", str(file)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "REPO_CACHE": str(tmp_path / "cache")},
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(file.read_text())
    assert [(row["rate"], row["end"]) for row in rows] == [(30, "went on"), (100, "stopped")] * 2
    assert all(row["again"] == row["invented"] == 0 for row in rows)
    assert all(0.6 <= row["kept"] <= 0.8 for row in rows if row["rate"] == 30)
