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

    Larger ones it maps anew each time, and the system has to clear and fault in every page of them: with the key-value
    caches of a few hundred sequences that was half of generation's time on a CPU (benchmarks/rollout_memory.py)."""
    libc = _libc()
    if (
        libc is not None
        and mib
        and not {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ)
    ):
        libc.mallopt(_M_MMAP_THRESHOLD, mib << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * mib << 20)


def peak_gib(device: Any) -> float:
    """Peak memory of this process in GiB: the accelerator's where there is one, else resident memory."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
