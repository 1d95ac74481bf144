"""The directory of one run: unique, never shared between launches. No torch.

runs/<stage>/<name>/<time>-<id>/  config.yaml  overrides.txt  environment.json  log.txt  metrics.jsonl
                                  alarms.jsonl (RL)  rollouts/  checkpoints/  final/
                                  run.lock (while it runs: who writes here)
"""

from __future__ import annotations

import json
import logging
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from repo_cli import __version__
from repo_cli.errors import UserError
from repo_cli.training.disk import disk_errors, fsync_path, fsync_tree

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "deepspeed",
    "hydra-core",
    "omegaconf",
    "datasets",
    "safetensors",
)


class RunDir:
    """Paths of one run; `create` makes a fresh one, `RunDir(path)` opens one that is there."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "config.yaml").is_file():
            raise UserError(f"{path}: not a run directory (no config.yaml there)")
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.alarms = self.path / "alarms.jsonl"
        self.log_file = self.path / "log.txt"
        self.rollouts = self.path / "rollouts"
        self.checkpoints = self.path / "checkpoints"
        self.final = self.path / "final"

    @property
    def finished(self) -> bool:
        """Whether the stage went to its end: its product is there, or what an evaluation writes last."""
        return self.final.exists() or (self.path / "eval.json").is_file()

    @classmethod
    def create(cls, cfg: Any, overrides: Iterable[str] = (), path: Path | None = None) -> RunDir:
        """A new directory with the frozen configuration, at `path` or under a name of its own.

        Raises UserError when it cannot be made.
        """
        from repo_cli.config.compose import save_frozen

        if not cfg.name or cfg.name.startswith(".") or any(c in cfg.name for c in "/\\\0"):
            raise UserError(f"name={cfg.name!r} cannot be the name of a directory")
        parent = path.parent if path else Path(cfg.runs_dir).expanduser() / cfg.stage / cfg.name
        with disk_errors(parent):
            parent.mkdir(parents=True, exist_ok=True)
            path = path or parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
            path.mkdir()  # not exist_ok: a run never shares its directory
            save_frozen(cfg, path / "config.yaml")
            (path / "overrides.txt").write_text("".join(f"{o}\n" for o in overrides), encoding="utf-8")
            (path / "environment.json").write_text(
                json.dumps(environment(), indent=1) + "\n", encoding="utf-8"
            )
            (path / "log.txt").touch()
        return cls(path)

    def log_handler(self) -> logging.Handler:
        """A handler that appends to log.txt."""
        handler = logging.FileHandler(self.log_file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        return handler

    @contextmanager
    def writing_final(self, before_move: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """A directory to write the product into; it becomes final/ in one move when all went well.

        before_move: called when all is written and on the disk; what it raises leaves no final/.
        """
        fresh = self.path / "final.tmp"
        with disk_errors(self.final):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                yield fresh
                fsync_tree(fresh)
                before_move()
                if self.final.exists():
                    shutil.rmtree(self.final)
                fresh.rename(self.final)
                fsync_path(self.path)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise


def find_run(cfg: Any, fits: Callable[[RunDir], bool] | None = None) -> RunDir | None:
    """The run that `resume` means: a path (of a run or a checkpoint in it), or with "auto" the newest run of
    this stage and name that has a complete checkpoint and is not finished (and that `fits`); None when there is none.
    """
    from repo_cli.training.checkpoint import latest_complete

    if cfg.resume is None:
        return None
    if cfg.resume != "auto":
        path = Path(cfg.resume).expanduser()
        for candidate in (path, path.parent.parent):
            if (candidate / "config.yaml").is_file():
                return RunDir(candidate)
        raise UserError(f"resume={cfg.resume}: not a run directory, nor a checkpoint inside one")
    parent = Path(cfg.runs_dir).expanduser() / cfg.stage / cfg.name
    runs = sorted(
        (p for p in parent.glob("*") if (p / "config.yaml").is_file()), key=lambda p: p.name, reverse=True
    )
    for path in runs:
        run = RunDir(path)
        if run.finished or latest_complete(run.checkpoints) is None:
            continue
        if fits is None or fits(run):
            return run
    return None


def commit() -> str | None:
    """The commit of the source that runs, with " (changed)" behind it where files differ from it; None where the
    package is no part of a git checkout."""
    git = ["git", "-C", str(Path(__file__).resolve().parents[1])]

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run([*git, *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if ask("ls-files", "--error-unmatch", "__init__.py") is None:  # installed inside someone else's checkout
        return None
    head = ask("rev-parse", "HEAD")
    return f"{head} (changed)" if head and ask("status", "--porcelain", "--", ".") else head


def environment() -> dict[str, Any]:
    """Versions and machine, for the record (no secrets: only named variables)."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "repo": __version__,
        "commit": commit(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": versions,
        "command": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
        "environment": {
            k: os.environ[k] for k in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES") if k in os.environ
        },
    }
