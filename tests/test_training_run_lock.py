"""One writer at a time: real processes that hold, die and leave children behind; file systems without locks; Slurm."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from repo_cli.errors import UserError
from repo_cli.training import run_lock
from repo_cli.training.alive import process_lives, process_mark, signature
from repo_cli.training.run_lock import NAME, RunLock, refuse_held

ROOT = Path(__file__).parents[1]
HOLD = """
import os, sys, time
from pathlib import Path
from repo_cli.training.run_lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.take()
child = os.fork() if sys.argv[2] == "child" else 1
if child == 0:
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


@contextmanager
def held(folder: Path, how: str = "alone") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that holds the folder's lock, and the number of its child (how="child")."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(folder), how]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        process.kill()
        process.wait()
        if how == "child":
            os.kill(child, signal.SIGKILL)


def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "flock", flock)


@pytest.mark.parametrize("kernel", [True, False])
def test_a_live_holder_is_named_and_a_dead_one_is_not_in_the_way(
    kernel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(tmp_path) as (process, _):
        if not kernel:
            no_locks(monkeypatch)
        said = f"{tmp_path}: process {process.pid} on {socket.gethostname()} is at work there"
        with pytest.raises(UserError, match=said) as caught:
            RunLock(tmp_path).take()
        assert f"kill {process.pid}" in str(caught.value.hint)
        with pytest.raises(UserError, match=said):
            refuse_held(tmp_path)
        process.kill()
        process.wait()
        lock = RunLock(tmp_path)
        lock.take()
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
        assert len(lock.notes) == (0 if kernel else 1) and (kernel or "has no locks" in lock.notes[0])
        lock.release()
        lock.release()
        assert not (tmp_path / NAME).exists()
        refuse_held(tmp_path)


def test_what_a_dead_one_left_behind_does_not_hold_it(tmp_path: Path) -> None:
    with held(tmp_path, "child") as (process, child):
        process.kill()
        process.wait()
        assert process_lives(child)  # and with it the kernel's lock
        lock = RunLock(tmp_path)
        lock.take()
        assert (
            len(lock.notes) == 1
            and f"process {process.pid}" in lock.notes[0]
            and "taken over" in lock.notes[0]
        )
        with pytest.raises(UserError, match=f"process {os.getpid()} "):
            RunLock(tmp_path).take()
        lock.release()


def test_on_another_machine_slurm_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system whose locks do not reach other machines: the file's word is all there is."""
    place = tmp_path / "run"
    place.mkdir()
    squeue = tmp_path / "squeue"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    elsewhere = {**signature(), "host": "node17", "slurm": "4711", "since": "2026-01-01 00:00:00"}

    def slurm_says(text: str) -> None:
        squeue.write_text(f"#!/bin/sh\necho '{text}'\n" if text else "#!/bin/sh\nexit 0\n")
        squeue.chmod(0o755)
        (place / NAME).write_text(json.dumps(elsewhere))

    slurm_says("4711 RUNNING")
    with pytest.raises(UserError, match="on node17, Slurm job 4711 is at work there .since 2026") as caught:
        RunLock(place).take()
    assert "scancel 4711" in str(caught.value.hint)
    slurm_says("")
    lock = RunLock(place)
    lock.take()
    assert lock.notes == []
    lock.release()
    # the requeued job itself, whose first life ended with its node
    slurm_says("4711 RUNNING")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    lock.take()
    assert json.loads((place / NAME).read_text())["restart"] == 1
    lock.release()
    # nobody knows: said, and no reason to stop
    monkeypatch.delenv("SLURM_JOB_ID")
    (place / NAME).write_text(json.dumps({**elsewhere, "slurm": None}))
    lock.take()
    assert len(lock.notes) == 1 and "node17" in lock.notes[0] and "taken to have ended" in lock.notes[0]
    lock.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "host": 3}', '{"pid": -1, "restart": []}'])
def test_a_lock_file_that_says_nothing_is_no_obstacle(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    lock = RunLock(tmp_path)
    lock.take()
    lock.release()


def test_a_process_is_known_by_more_than_its_number() -> None:
    mark = process_mark(os.getpid())
    assert mark and process_lives(os.getpid(), mark) and not process_lives(os.getpid(), mark + "1")
    sleeper = subprocess.Popen(["sleep", "60"])
    number: Any = sleeper.pid
    assert process_lives(number) and process_mark(number) != mark
    sleeper.kill()
    end = time.monotonic() + 10
    while process_lives(number):  # a zombie is none any more, though it has its number still
        assert time.monotonic() < end
        time.sleep(0.01)
    sleeper.wait()
    assert not process_lives(number) and process_mark(number) is None and not process_lives(0)
