"""A long list that lies on the disk: a million prompts take no more memory than ten thousand.

What is put in is written to a file without a name, which is gone when the process ends, however it ends; an entry is
read again each time it is asked for. In memory stays one number an entry.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from repo_cli.errors import UserError

T = TypeVar("T")


class Stored(Sequence[T]):
    """Entries of any kind that pickle takes, in the order given; made by `of`, read from any place."""

    def __init__(self, folder: Path | str) -> None:
        # nobody else can write into a file without a name, so what comes back is what was written
        self._file = tempfile.TemporaryFile(dir=folder)
        self._ends = array("Q")  # where each entry ends

    @classmethod
    def of(cls, entries: Iterable[T], folder: Path | str) -> Stored[T]:
        """All of `entries`, one at a time, in a file in `folder`; UserError where they do not fit there."""
        made, end = cls(folder), 0
        for entry in entries:
            data = pickle.dumps(entry, protocol=pickle.HIGHEST_PROTOCOL)
            made._write(data, folder)
            end += len(data)
            made._ends.append(end)
        made._write(None, folder)
        return made

    def _write(self, data: bytes | None, folder: Path | str) -> None:
        """None: nothing more comes."""
        try:
            self._file.flush() if data is None else self._file.write(data)
        except OSError as error:
            raise UserError(
                f"{folder}: the rows cannot be kept there ({error.strerror})",
                hint="they need about as much room as their file; runs_dir=PLACE",
            ) from error

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        start = self._ends[place - 1] if place else 0
        return pickle.loads(os.pread(self._file.fileno(), self._ends[place] - start, start))
