"""Peak memory, and giving freed memory back to the system. No torch at import."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from functools import lru_cache
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
_OWN_MIB = 32  # where glibc's own rule ends up as large blocks are freed
_kept = 0
_last = 0.0  # when memory was last given back


@lru_cache(maxsize=1)
def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if hasattr(libc, "malloc_trim") else None
    except OSError:  # another C library
        return None


def give_back(every_s: float = 10.0) -> None:
    """Return freed heap pages to the system, at most every so many seconds (the next step has to fault them in again).

    Generation allocates a cache of a new size at every token, and glibc keeps what it frees of them, so a CPU run
    would seem to need ever more."""
    global _last
    libc = _libc()
    if libc is not None and time.monotonic() - _last >= every_s:
        libc.malloc_trim(0)
        _last = time.monotonic()


def keep_freed(mib: int) -> None:
    """Let glibc keep freed blocks of up to `mib` MiB for the next one of their size; 0 = its own rule (32 MiB at most).

    Larger ones it maps anew each time, and the system has to clear and fault in every page of them: with batches of 256
    that was half of generation's time on a CPU (benchmarks/rollout_memory.py). What is kept is memory that no other use
    gets, so a stage that asks for it is followed by one that takes it back."""
    global _kept
    libc = _libc()
    if libc is None or mib == _kept or {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ):
        return
    _kept = mib
    libc.mallopt(_M_MMAP_THRESHOLD, (mib or _OWN_MIB) << 20)
    libc.mallopt(_M_TRIM_THRESHOLD, 2 * (mib or _OWN_MIB) << 20)
    libc.malloc_trim(0)


def peak_gib(device: Any) -> float:
    """Peak memory of this process in GiB: the accelerator's where there is one, else resident memory."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
