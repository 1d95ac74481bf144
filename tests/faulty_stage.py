"""A stage of two real ranks with one real collective a step, for the tests of faults: FAULT says what goes wrong on
rank 1 in step 3. It uses the session, so signals, signs of life and checkpoints are those of every stage."""

from __future__ import annotations

import os
import time
from pathlib import Path

from repo_cli.config import Config
from repo_cli.stages.session import Session
from repo_cli.training import distributed

STEPS = 2000


def run(cfg: Config, run_dir: Path) -> Path:
    what = os.environ["FAULT"]
    with Session(cfg, "sft", run_dir) as session:
        for step in session.steps(STEPS):
            if distributed.rank() == 1 and step == 2:
                wrong(what)
            with session.timer("work"):
                if what == "long":
                    (run_dir / "logs" / f"inside-{distributed.rank()}").touch()
                    while True:  # never comes to a safe place again
                        time.sleep(0.1)
                total = distributed.all_sum(1.0)
            time.sleep(0.01)
            session.end_step(step, {"total": total})
    return run_dir / "final"


def wrong(what: str) -> None:
    if what == "raise":
        raise ZeroDivisionError("rank 1 divided by nothing")
    if what == "hang":
        where_it_hangs()


def where_it_hangs() -> None:
    time.sleep(600)
