"""The commit that a run records."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import repo_cli
from repo_cli.training.rundir import commit, environment

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b")


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_run_records_the_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    """A copy of the few files that the record needs, in a checkout of its own."""
    package = tmp_path / "repo_cli"
    for name in (
        "__init__.py",
        "errors.py",
        "training/__init__.py",
        "training/rundir.py",
        "training/disk.py",
    ):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(repo_cli.__file__).parent / name, package / name)

    def git(*words: str) -> str:
        return subprocess.run(
            [*GIT, "-C", str(tmp_path), *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    def told() -> str:
        code = "from repo_cli.training.rundir import commit; print(commit())"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init", "-q")
    assert told() == "None", "not yet part of the checkout around it"
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert told() == head
    (package / "errors.py").write_text((package / "errors.py").read_text() + "\n# changed\n")
    assert told() == f"{head} (changed)"


def test_the_record_holds_it() -> None:
    assert environment()["commit"] == commit()
