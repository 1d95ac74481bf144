"""Whether a process or a Slurm job that was noted in a file is still there. No torch.

A process number alone says little: it is given away again. `process_mark` says which process it was: the boot and the
moment at which it began.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

_ASK_S = 20.0  # a controller that answers nothing for so long says nothing


def process_mark(pid: int) -> str | None:
    """A text that no other process ever has; None where there is no such process, or nothing can be learnt."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = _stat(pid)
    except OSError:
        return _by_ps(pid)
    return f"{boot}/{fields[19]}"


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _by_ps(pid: int) -> str | None:
    """Where there is no /proc (macOS)."""
    if Path("/proc/self/stat").exists() or not shutil.which("ps"):
        return None
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return " ".join(done.stdout.split()) or None


def process_lives(pid: int, mark: str | None = None) -> bool:
    """Whether the process is there: the one with that mark, where one is given. One that waits to be buried is not."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    try:
        if _stat(pid)[0] == "Z":
            return False
    except OSError:
        pass
    now = process_mark(pid)
    return mark is None or now is None or now == mark


def slurm_job() -> str | None:
    """Slurm's name of the job that this process is part of, 12_3 for the third of an array."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def slurm_lists(job: str, states: str = "") -> bool | None:
    """Whether Slurm has the job, waiting or running (or in `states`, such as "RUNNING,COMPLETING"); None: no answer."""
    if not shutil.which("squeue"):
        return None
    asked = ["squeue", "-h", "-j", job, *([f"--states={states}"] if states else [])]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_ASK_S)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode == 0:
        return bool(done.stdout.strip())
    return False if "Invalid job id" in done.stderr else None


def signature() -> dict[str, Any]:
    """Who this process is: what `gone` reads elsewhere and later."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "mark": process_mark(os.getpid()),
        "slurm": slurm_job(),
        "restart": int(os.environ.get("SLURM_RESTART_COUNT", "0") or 0),
    }


def gone(who: dict[str, Any]) -> bool | None:
    """Whether the process that left this `signature` has ended; None where that cannot be known from here."""
    try:
        pid, job, restart = int(who.get("pid") or 0), who.get("slurm"), int(who.get("restart") or 0)
    except (TypeError, ValueError):
        return None
    if who.get("host") == socket.gethostname() and pid:
        return not process_lives(pid, who.get("mark"))
    if job and str(job) == slurm_job():  # an earlier life of this very job, which does not run twice
        return True if restart < int(os.environ.get("SLURM_RESTART_COUNT", "0") or 0) else None
    listed = slurm_lists(str(job), "RUNNING,COMPLETING,SUSPENDED") if job else None
    return None if listed is None else not listed
