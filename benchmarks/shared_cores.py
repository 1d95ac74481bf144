"""What it costs to share the machine: a training step alone, and beside one other busy process, with OpenMP threads
that spin while they wait (OMP_WAIT_POLICY=ACTIVE) and that sleep (PASSIVE, which `repo` sets where nothing is set).

    python benchmarks/shared_cores.py --steps 12

Each of the four ways runs in a process of its own: a forward and backward pass of a two-layer transformer of the demo's
size on all cores. Prints median and longest seconds a step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

BUSY = "while True: sum(range(10_000))"


def child(steps: int) -> None:
    """Prints the seconds of each step as JSON."""
    import torch

    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(256, 4, 768, batch_first=True)
    model = torch.nn.Sequential(torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    x = torch.randn(12, 320, 256)
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        model(x).square().mean().backward()
        seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds[2:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return child(given.steps)
    for busy in (False, True):
        medians = {}
        for policy in ("ACTIVE", "PASSIVE"):
            other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
            try:
                command = [sys.executable, __file__, "--child", "--steps", str(given.steps)]
                done = subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    env=os.environ | {"OMP_WAIT_POLICY": policy},
                )
            finally:
                if other is not None:
                    other.kill()
            seconds = json.loads(done.stdout)
            medians[policy] = statistics.median(seconds)
            where = "beside a busy process" if busy else "alone"
            print(f"{where}, {policy}: {medians[policy]:.3f} s a step (longest {max(seconds):.3f})")
        print(f"  ACTIVE / PASSIVE: {medians['ACTIVE'] / medians['PASSIVE']:.2f}")


if __name__ == "__main__":
    main()
