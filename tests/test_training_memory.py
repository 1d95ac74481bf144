"""Memory on a CPU: what is freed is used again, and what the libraries keep stays bounded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

SCRIPT = """
import resource
import sys
import torch
from repo_cli.training.memory import give_back, spare_memory

if sys.argv[1] == "spared":
    spare_memory()
def work():
    for mib in (40, 56, 48, 64):
        torch.zeros(mib << 20, dtype=torch.uint8)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
block = torch.zeros(256 << 20, dtype=torch.uint8)
del block
give_back(every_s=0.0)
print(int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20)
"""


def run(way: str, **environ: str) -> tuple[int, int]:
    """(pages faulted in by 20 rounds of blocks of 40 to 64 MiB, MiB resident after all was given back)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | environ
    out = subprocess.run([sys.executable, "-c", SCRIPT, way], env=env, capture_output=True, check=True)
    faults, resident = out.stdout.decode().split()
    return int(faults), int(resident)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own settings")
def test_kept_memory_is_used_again_and_can_still_be_given_back():
    usual, _ = run("usual")
    spared, resident = run("spared")
    set_by_user, _ = run("spared", MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    assert usual > 20 * 40 * 2**20 / 4096 and set_by_user > usual / 2
    assert spared < usual / 20
    assert resident < 256 + run("usual")[1] / 2


SHAPES = """
import sys
import torch
from repo_cli.training.memory import give_back, spare_memory

if sys.argv[1] == "spared":
    spare_memory()
weight = torch.randn(768, 256, dtype=torch.bfloat16)
for rows in range(100, 700):
    torch.nn.functional.linear(torch.ones(rows, 256, dtype=torch.bfloat16), weight)
give_back(every_s=0.0)
print(int(open("/proc/self/statm").read().split()[1]) * 4096 >> 10)
"""


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN here")
def test_prepared_products_of_many_shapes_do_not_pile_up():
    def resident(way: str) -> int:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "ONEDNN_"))}
        out = subprocess.run([sys.executable, "-c", SHAPES, way], env=env, capture_output=True, check=True)
        return int(out.stdout)

    assert resident("spared") < resident("usual") - 20 * 1024
