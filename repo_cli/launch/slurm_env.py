"""What Slurm tells: a task about itself, as the variables that torch's launchers set; and which job a directory waits
for. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

from repo_cli.training.alive import slurm_lists

SUBMITTED = (
    Path("slurm") / "submitted.txt"
)  # in a run's or a sweep's directory: a line for each job handed to sbatch


def still_queued(path: Path) -> str | None:
    """The number of the last submitted job while Slurm still has it waiting or running; None otherwise."""
    try:
        lines = (path / SUBMITTED).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    number = lines[-1].split()[0] if lines and lines[-1].strip() else ""
    return number if number and slurm_lists(number) else None


def adopt(env: MutableMapping[str, str] | None = None) -> bool:
    """Sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT from Slurm's variables of this task.

    Does nothing, and says False, where a launcher has set them already or where this is no task of an `srun` with
    several tasks. The batch script itself is none: Slurm gives it no step id.
    """
    env = os.environ if env is None else env
    tasks = env.get("SLURM_STEP_NUM_TASKS") or env.get("SLURM_NTASKS") or "1"
    if "RANK" in env or "SLURM_STEP_ID" not in env or "SLURM_PROCID" not in env or int(tasks) < 2:
        return False
    env["RANK"], env["WORLD_SIZE"] = env["SLURM_PROCID"], tasks
    env["LOCAL_RANK"] = env.get("SLURM_LOCALID", "0")
    env.setdefault(
        "LOCAL_WORLD_SIZE",
        tasks_here(env.get("SLURM_STEP_TASKS_PER_NODE", tasks), int(env.get("SLURM_NODEID", "0"))),
    )
    nodes = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST") or "127.0.0.1"
    env.setdefault("MASTER_ADDR", first_host(nodes))
    env.setdefault("MASTER_PORT", str(20000 + int(env.get("SLURM_JOB_ID", "0")) % 20000))
    return True


def first_host(nodes: str) -> str:
    """gpu03 for gpu[03-05,09],cpu1"""
    found = re.match(r"([^,\[]+)(?:\[([^\],-]+)[^\]]*\])?([^,\[]*)", nodes)
    return f"{found[1]}{found[2] or ''}{found[3]}" if found else nodes


def tasks_here(text: str, node: int) -> str:
    """Tasks on the node-th machine of Slurm's 4(x2),2"""
    counts: list[str] = []
    for part in text.split(","):
        number, _, times = part.partition("(x")
        counts += [number] * int(times.rstrip(")") or 1)
    return counts[min(node, len(counts) - 1)]
