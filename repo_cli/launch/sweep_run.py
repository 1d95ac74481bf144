"""Runs a sweep's jobs on this machine, `sweep.jobs` at a time; each is a process with its own log. No torch.

A job outlives a driver that is killed. Whoever goes on with the sweep takes such jobs over: it waits for them, passes
signals on to them, and starts only what is left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repo_cli.errors import Stopped
from repo_cli.launch.stopping import passed_on
from repo_cli.launch.sweep import Job, Sweep, read_state, write_state
from repo_cli.training.alive import gone, process_lives, process_mark, signature, slurm_lists
from repo_cli.training.run_lock import RunLock

LOCK = "sweep.lock"
SLACK_S = 20.0  # beyond launch.stop_s, for a job to end after a signal


class SweepFailed(RuntimeError):
    """Some jobs of a sweep are not done."""


class Adopted:
    """What is asked of a process, for one that another driver started (as subprocess.Popen has it)."""

    def __init__(self, pid: int) -> None:
        self.pid, self._mark = pid, process_mark(pid)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and not process_lives(self.pid, self._mark):
            self.returncode = 1  # whatever it was: its state.json says more
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.05)
        return self.returncode or 0


@dataclass
class Running:
    """A job at work and the place it has on this machine."""

    job: Job
    process: subprocess.Popen[bytes] | Adopted
    slot: int


def run_sweep(sweep: Sweep, at_once: int, retries: int, nproc: int, stop_s: float) -> dict[str, int]:
    """Runs every job that is not done; returns how many ended in which state.

    A failed job does not stop the others; one that failed is tried `retries` times more. nproc: ranks of a job.
    Raises:
        Stopped: a signal; the running jobs were told, and saved. Running the sweep again goes on.
        UserError: another process drives the sweep.
    """
    lock = RunLock(sweep.path, LOCK)
    lock.take()
    try:
        return run_jobs(sweep, sweep.jobs, at_once, retries, nproc, stop_s)
    finally:
        lock.release()


def run_jobs(
    sweep: Sweep, jobs: Sequence[Job], at_once: int, retries: int, nproc: int, stop_s: float
) -> dict[str, int]:
    """As `run_sweep`, for some of its jobs, and without its lock."""
    running = _left_behind(sweep, jobs)
    held = {item.job.index for item in running}
    states = {job.index: status(sweep.folder(job))["state"] for job in jobs}
    queue = [job for job in jobs if job.index not in held and states[job.index] not in ("done", "running")]
    tries = dict.fromkeys(states, 0)

    def tell(number: int) -> None:
        for item in running:
            with contextlib.suppress(ProcessLookupError):
                item.process.send_signal(number)

    with passed_on(tell) as asked:
        try:
            while queue or running:
                while queue and len(running) < at_once and not asked:
                    slot = min(set(range(at_once)) - {item.slot for item in running})
                    running.append(_start(sweep, queue.pop(0), slot, at_once, nproc))
                for item in [item for item in running if item.process.poll() is not None]:
                    running.remove(item)
                    folder, number = sweep.folder(item.job), item.job.index
                    killed = isinstance(item.process, Adopted) and status(folder)["state"] == "lost"
                    _settle(sweep, item)
                    state = status(folder)
                    if _runs_here(state):  # one that an earlier driver had just started was quicker
                        running.append(Running(item.job, Adopted(int(state["pid"])), item.slot))
                    elif asked or state["state"] != "failed":
                        continue
                    elif killed or tries[number] < retries:
                        tries[number] += not killed
                        queue.append(item.job)
                if asked and (not running or time.monotonic() > asked[0] + stop_s + SLACK_S):
                    break
                time.sleep(0.1)
        finally:
            if running and not asked:  # something else ends this process: the jobs may save before
                tell(signal.SIGTERM)
                end = time.monotonic() + stop_s + SLACK_S
                while time.monotonic() < end and any(item.process.poll() is None for item in running):
                    time.sleep(0.1)
            for item in running:
                _kill(sweep, item)
    found = counts(sweep)
    if asked:
        raise Stopped(
            f"the sweep was stopped; {tell_counts(found)}",
            hint=f"repo sweep resume {sweep.path} goes on from there",
        )
    return found


def _left_behind(sweep: Sweep, jobs: Sequence[Job]) -> list[Running]:
    """The jobs that run on this machine though the driver that started them is gone."""
    found: list[Running] = []
    for job in jobs:
        state = status(sweep.folder(job))
        if _runs_here(state):
            found.append(Running(job, Adopted(int(state["pid"])), len(found)))
            print(f"[{job.index + 1}/{len(sweep.jobs)}] still runs: {sweep.folder(job)}", flush=True)
    return found


def _runs_here(state: dict[str, Any]) -> bool:
    return state["state"] == "running" and state.get("host") == signature()["host"]


def counts(sweep: Sweep) -> dict[str, int]:
    """How many jobs are in which state."""
    found: dict[str, int] = {}
    for job in sweep.jobs:
        state = status(sweep.folder(job))["state"]
        found[state] = found.get(state, 0) + 1
    return found


def tell_counts(found: dict[str, int]) -> str:
    """3 done, 1 failed"""
    order = ("done", "running", "failed", "stopped", "lost", "waiting")
    return ", ".join(f"{found[state]} {state}" for state in order if found.get(state))


def status(folder: Path) -> dict[str, Any]:
    """A job's state; one that says it is running but whose process (or Slurm job) is gone is `lost`."""
    state = read_state(folder)
    if state["state"] == "running" and gone(state):
        job = state.get("slurm")
        if job and slurm_lists(str(job)):  # it waits to be started again
            return state
        who = f"Slurm's job {job}" if job else "its process"
        return state | {"state": "lost", "message": f"{who} is gone"}
    return state


def _start(sweep: Sweep, job: Job, slot: int, at_once: int, nproc: int) -> Running:
    folder = sweep.folder(job)
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), env.get("PYTHONPATH")]))
    env["PYTHONUNBUFFERED"] = "1"
    if at_once > 1:
        env.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // (at_once * nproc))))
        if mine := _devices(slot, at_once, nproc):
            env["CUDA_VISIBLE_DEVICES"] = mine
    print(f"[{job.index + 1}/{len(sweep.jobs)}] {' '.join(job.overrides)} -> {folder}", flush=True)
    with (folder / "output.txt").open("ab") as out:
        # a session of its own: Ctrl-C reaches it through us alone, once
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "repo_cli.cli", "job", str(sweep.path), str(job.index)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(job, process, slot)


def _devices(slot: int, at_once: int, nproc: int) -> str:
    """The GPUs of one of `at_once` places, as CUDA_VISIBLE_DEVICES; '' where there are too few to share out."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        devices = [name for name in listed.split(",") if name.strip()]
    elif shutil.which("nvidia-smi"):
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
        devices = [str(i) for i, _ in enumerate(line for line in said.splitlines() if line.startswith("GPU"))]
    else:
        devices = []
    if len(devices) < at_once * nproc:
        return ""
    return ",".join(devices[slot * nproc : (slot + 1) * nproc])


def _settle(sweep: Sweep, item: Running) -> None:
    """A job that died without a word (killed, or it never came to itself) has failed."""
    folder, code = sweep.folder(item.job), item.process.returncode
    assert code is not None
    state = read_state(folder)
    if isinstance(item.process, Adopted):
        code = 0 if state["state"] == "done" else code
    elif state["state"] == "running" and state.get("pid") != item.process.pid:
        return  # somebody else has it in hand, and says so
    if state["state"] in ("running", "waiting") or (code != 0 and state["state"] == "done"):
        why = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        write_state(folder, state="failed", code=1, message=f"{why}; see output.txt", ended=time.time())
    state = read_state(folder)
    if state["state"] != "done":
        print(
            f"[{item.job.index + 1}/{len(sweep.jobs)}] {state['state']}: {state.get('message')}", flush=True
        )


def _kill(sweep: Sweep, item: Running) -> None:
    """Ends a job and what it started; its ranks have sessions of their own and end with it."""
    if item.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(item.process.pid, signal.SIGKILL)
        item.process.wait()
    _settle(sweep, item)
