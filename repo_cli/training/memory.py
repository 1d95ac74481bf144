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


def spare_memory() -> None:
    """Two settings of the C libraries under torch that a training process on a CPU needs; call before it computes.

    oneDNN keeps the last 1,024 matrix products it has prepared, each for one shape. A batch of dialogues has ever new
    shapes, so they are not asked for again; what they hold lies between everything else, and the heap goes to pieces:
    memory grew by half within some hundred steps, and steps got slower by a fifth. One pass needs some fifty of them.

    glibc returns what is freed page by page, and the system clears and faults in the same few hundred MiB at every
    step: a tenth of an RL step. It keeps them here for the next block, however large (benchmarks/memory_spared.py).
    What the user has set in the environment stands."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    libc = _libc()
    if libc is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def give_back(every_s: float = 60.0) -> None:
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
