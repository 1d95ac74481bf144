"""scripts/kill_test.py in small: three kills of an SFT run, each resumed, equal to the undisturbed one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_kills_in_small(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "kill_test.py"), "--kills", "3", "--stages", "sft",
         "--steps", "3", "--seed", "1", "--out", str(tmp_path / "out"), "--report", str(report)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["wrong"] == [] and found["kills"] >= 2 and len(found["tries"]) == 3
    assert "things wrong" in done.stdout
