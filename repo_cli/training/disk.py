"""What a disk can answer, said in words; and making sure that what was written is on it. No torch."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repo_cli.errors import UserError


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turns what a disk can answer (full, read-only, no permission, a file in the way) into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        first: BaseException = error  # torch.save hides the disk's answer behind an error of its own
        while first.__context__ is not None and not isinstance(first, OSError):
            first = first.__context__
        number = getattr(first, "errno", None)
        full = "No space left on device" in str(error)  # safetensors has an error class of its own
        if full or number in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some room, or set runs_dir to another disk"
            raise UserError(f"{path}: the disk is full", hint=hint) from error
        if number == errno.EFBIG or "File too large" in str(error):
            hint = "raise the limit (ulimit -f shows it), or set runs_dir to another disk"
            raise UserError(f"{path}: no file may grow that large there", hint=hint) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "set runs_dir to a place of your own"
            raise UserError(f"{path}: no permission to write there", hint=hint) from error
        if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            hint = "set runs_dir to another place"
            raise UserError(f"{path}: a file is in the way of a directory", hint=hint) from error
        raise


def fsync_path(path: Path) -> None:
    """Make sure that a file, or the names in a directory, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        fsync_path(path)
    fsync_path(folder)
