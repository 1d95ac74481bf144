"""A stage in a process of its own that starts at once: forked from one that has the libraries in memory. No torch.

A pipeline's stages leave memory behind in pieces, and later ones are slower for it: the demo's judge took 68 s and a
round of its RL 6.9 s in the process of the steps before them, 48 and 4.8 s in processes of their own. A forked process
is as fresh as one that is started, without its ten seconds of imports.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from repo_cli.launch.stopping import NUMBERS

LIBRARIES = ("torch", "transformers", "peft", "deepspeed")


class Forked:
    """What `launch/processes.py` asks of a process, for one that was forked (as subprocess.Popen has it)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended(os.WNOHANG)

    def wait(self) -> int | None:
        return self._ended(0)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def can_fork(device: str) -> bool:
    """Whether a fork of this process can compute: nothing has computed here yet (OpenMP's and CUDA's threads do not
    come along), and there is no GPU to be used, whose driver may have been asked already."""
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return False
    if device != "cpu" and any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    return len(os.listdir("/proc/self/task")) == 1


def import_first(modules: Iterable[str]) -> None:
    """Imports what the forked processes will need, once."""
    from repo_cli.quiet import quiet_libraries

    quiet_libraries()
    for name in (*LIBRARIES, *modules):
        importlib.import_module(name)


def fork(run_dir: Path, stage: str, report: int, out: Path | None = None) -> Forked:
    """Runs the stage as a rank of a world of one; its failure comes through the pipe `report`, as a rank's does.

    out: a file that takes what it prints, in place of this process's terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return Forked(pid)
    code = 1
    try:
        os.setsid()  # Ctrl-C reaches it through the launching process alone, once
        for number in NUMBERS:  # what the launching process does with them is not for a stage
            signal.signal(number, signal.SIG_DFL)
        if out is not None:
            out.parent.mkdir(exist_ok=True)
            with out.open("ab") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
        os.environ["REPO_REPORT_FD"] = str(report)
        from repo_cli.launch.worker import main

        code = main(run_dir, stage)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
