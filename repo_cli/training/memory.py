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


def keep_freed() -> None:
    """Let glibc keep what is freed for the next block, however large, instead of returning it page by page.

    A training step on a CPU allocates and frees the same few hundred MiB again and again, and the system has to clear
    and fault in every page of them anew: a tenth to a fifth of the time, and more memory in pieces that fit nothing
    (benchmarks/memory_kept.py). MALLOC_* variables that the user has set stand."""
    libc = _libc()
    if libc is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def give_back(every_s: float = 10.0) -> None:
    """Return freed heap pages to the system, at most every so many seconds (the next step has to fault them in again).

    glibc keeps what is freed in pieces that nothing of another size fits into, so a CPU run would seem to need ever
    more."""
    global _last
    libc = _libc()
    if libc is not None and time.monotonic() - _last >= every_s:
        libc.malloc_trim(0)
        _last = time.monotonic()


def peak_gib(device: Any) -> float:
    """Peak memory of this process in GiB: the accelerator's where there is one, else resident memory."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
