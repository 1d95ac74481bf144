"""One writer at a time for a run directory (or a sweep): a lock file that names who holds it. No torch.

The lock is the kernel's (flock), so it ends with its process, whatever ended that. The file says host, process and
Slurm job, for people, and for file systems whose locks do not reach other machines or do not exist: there what the
file says is all there is.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from pathlib import Path
from typing import Any

from repo_cli.errors import UserError
from repo_cli.training.alive import gone, signature
from repo_cli.training.disk import disk_errors

try:
    import fcntl
except ImportError:  # no such system call here
    fcntl = None  # type: ignore[assignment]

NAME = "run.lock"
#: What a file system without locks answers.
_NONE_HERE = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO)


class RunLock:
    """`lock.take()` ... `lock.release()`. `notes`: what a person should know about how it was taken."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.folder, self.file = Path(folder), Path(folder) / name
        self.notes: list[str] = []
        self._handle: int | None = None

    def take(self) -> None:
        """Raises UserError where another process that may be alive holds it; names that one."""
        with disk_errors(self.file):
            for _ in range(5):  # another try where the file was replaced meanwhile
                if self._try():
                    return
        raise UserError(f"{self.file}: changes hands all the time", hint="try again in a moment")

    def _try(self) -> bool:
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
        keep = False
        try:
            locked = _lock(handle)
            holder = _read(handle)
            if locked is False and gone(holder) is not True:
                raise _held(self.folder, holder)
            if locked is False:  # by a child that it has left behind, or by a server that has not noticed
                self._note(holder, "taken over")
                if os.path.exists(self.file) and os.path.samestat(os.fstat(handle), os.stat(self.file)):
                    os.unlink(self.file)
                return False
            if not self._is_the_file(handle):
                return False
            if holder:  # it did not release: killed; or on another machine, which a lock may not reach
                ended = gone(holder)
                if ended is False:
                    raise _held(self.folder, holder)
                if ended is None:
                    self._note(holder, "taken to have ended")
            if locked is None:
                self.notes.append(
                    f"{self.file}: this file system has no locks, so two runs on different machines could write here"
                )
            self._write(handle)
            self._handle, keep = handle, True
            return True
        finally:
            if not keep:
                os.close(handle)

    def _is_the_file(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.file))
        except FileNotFoundError:
            return False

    def _note(self, holder: dict[str, Any], what: str) -> None:
        self.notes.append(f"{self.file}: {_who(holder)} never released it, and is {what}")

    @staticmethod
    def _write(handle: int) -> None:
        text = json.dumps(signature() | {"since": time.strftime("%Y-%m-%d %H:%M:%S")}) + "\n"
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)

    def release(self) -> None:
        """Gives it back, once or more often; the file goes with it."""
        if self._handle is None:
            return
        with contextlib.suppress(OSError):
            if self._is_the_file(self._handle):
                os.unlink(self.file)
        with contextlib.suppress(OSError):
            os.close(self._handle)
        self._handle = None


def refuse_held(folder: Path, name: str = NAME) -> None:
    """UserError where somebody is writing in the folder now; for whoever is about to touch a file there."""
    if (Path(folder) / name).exists():
        lock = RunLock(folder, name)
        lock.take()
        lock.release()


def _lock(handle: int) -> bool | None:
    """True: it is ours. False: somebody else's. None: there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        if error.errno in _NONE_HERE:
            return None
        raise
    return True


def _read(handle: int) -> dict[str, Any]:
    try:
        data = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _who(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    job = f", Slurm job {holder['slurm']}" if holder.get("slurm") else ""
    return f"process {holder.get('pid')} on {holder.get('host')}{job}"


def _held(folder: Path, holder: dict[str, Any]) -> UserError:
    since = f" (since {holder['since']})" if holder.get("since") else ""
    stop = f"scancel {holder['slurm']}" if holder.get("slurm") else f"kill {holder.get('pid', 'it')} there"
    return UserError(
        f"{folder}: {_who(holder)} is at work there{since}",
        hint=f"two at once would spoil it: wait for its end, or stop it first ({stop})",
    )
