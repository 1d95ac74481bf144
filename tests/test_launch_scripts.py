"""The example launch files in scripts/: each is run with --dry-run, and starts nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAID = {
    "launch_laptop.sh": ("repo pipeline", "sweep of 3 jobs", "002_optim.lr=0.003"),
    "launch_one_node.sh": ("nproc: 8", "repo pipeline"),
    "launch_slurm.sh": (
        "#SBATCH --nodes=4",
        "#SBATCH --signal=B:USR1@600",
        "#SBATCH --array=0-5%2",
        "sweep of 6 jobs",
    ),
}


def test_every_example_is_tested() -> None:
    assert {path.name for path in (ROOT / "scripts").glob("launch_*.sh")} == set(SAID)


@pytest.mark.parametrize("name", sorted(SAID))
def test_dry_run(name: str, tmp_path: Path) -> None:
    env = {**os.environ, "REPO": f"{sys.executable} -W ignore -m repo_cli.cli", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(ROOT / "scripts" / name), "--dry-run", "rules=none"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in SAID[name]:
        assert words in done.stdout
    assert "nothing was started" in done.stdout and list(tmp_path.iterdir()) == []
