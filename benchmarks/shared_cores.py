"""What it costs to share the machine: a training step, and many small products, alone and beside another busy process,
with OpenMP threads that spin while they wait (GNU OpenMP's default), that spin briefly (GOMP_SPINCOUNT=1000, which
`repo` sets where nothing is set), and that sleep (OMP_WAIT_POLICY=PASSIVE).

    python benchmarks/shared_cores.py --steps 14

Each way runs in a process of its own: a forward and backward pass of a two-layer transformer of the demo's size on all
cores (median and longest), then 20,000 products of 64 x 256 by 256 x 768.
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
WAYS: dict[str, dict[str, str]] = {
    "spin": {},
    "spin briefly": {"GOMP_SPINCOUNT": "1000"},
    "sleep": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def child(steps: int) -> None:
    """Prints the seconds of each step, and of the small products, as JSON."""
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
    rows, weights = torch.randn(64, 256), torch.randn(256, 768)
    began = time.perf_counter()
    for _ in range(20_000):
        rows @ weights
    print(json.dumps([seconds[2:], time.perf_counter() - began]))


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
        for name, setting in WAYS.items():
            other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
            try:
                command = [sys.executable, __file__, "--child", "--steps", str(given.steps)]
                plain = {
                    k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
                }
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=plain | setting
                )
            finally:
                if other is not None:
                    other.kill()
            seconds, small = json.loads(done.stdout)
            where = "beside a busy process" if busy else "alone"
            print(
                f"{where}, {name}: {statistics.median(seconds):.3f} s a step (longest {max(seconds):.3f}), "
                f"small products {small:.2f} s"
            )


if __name__ == "__main__":
    main()
