"""One rank: `python -m repo_cli.launch.worker RUN_DIR STAGE`, started by `launch/processes.py`, or by srun.

Reads the frozen configuration, runs the stage, and reports a failure through the pipe REPO_REPORT_FD; a task of srun,
which may run on another machine, through a file. Ends by itself when the launching process is gone.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path

from repo_cli.config import load_frozen
from repo_cli.launch.failures import Failure
from repo_cli.launch.modules import MODULES
from repo_cli.launch.slurm_env import adopt
from repo_cli.training.signals import StopFlag


def main(run_dir: Path, stage: str) -> int:
    """Runs the stage as this rank; returns the exit code."""
    if "REPO_SRUN" in os.environ:
        _as_task(run_dir)
    rank = int(os.environ.get("RANK", "0"))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        with StopFlag(at_once=True):  # while the libraries are imported; the stage has its own
            importlib.import_module(MODULES.get(stage, stage)).run(load_frozen(run_dir), run_dir)
    except BaseException as error:
        failure = Failure.of(error, rank, time.time())
        _report(failure, run_dir)
        return failure.code
    return 0


def _as_task(run_dir: Path) -> None:
    """Slurm's variables as torch's; only rank 0 keeps the job's output."""
    adopt()
    if rank := int(os.environ.get("SLURM_PROCID", "0")):
        logs = run_dir / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"rank-{rank}.log").open("ab") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)


def _report(failure: Failure, run_dir: Path) -> None:
    text = json.dumps(failure.to_dict())
    if "REPO_SRUN" in os.environ:
        (run_dir / "logs" / f"failure-{failure.rank}.json").write_text(text, encoding="utf-8")
        return
    number = os.environ.get("REPO_REPORT_FD")
    if number is None:
        print(failure.detail, file=sys.stderr)
        return
    with os.fdopen(int(number), "w", encoding="utf-8") as pipe:
        pipe.write(text)


def _end_with_parent(parent: int, every_s: float = 2.0) -> None:
    while os.getppid() == parent:
        time.sleep(every_s)
    os._exit(1)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a process group whose other ranks are gone would hang in its own farewell
