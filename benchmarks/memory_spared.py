"""What `training/memory.py:spare_memory` is worth to training on a CPU: steps with and without it, in one run.

    python benchmarks/memory_spared.py --steps 400 --rounds 1

The demo's base is trained for `--steps` steps from random weights, in a process of its own each time (the settings
hold for a whole process), the two ways in turn. Prints the seconds of a step (the first ten left out; and of the last
hundred), seconds in the kernel, page faults and peak memory of each way, and the ratio of their steps. It takes some
hundred steps until the difference shows in full.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WAYS = ("plain", "spared")


def child(way: str, steps: int, runs: str) -> None:
    """Prints one line of JSON: mean seconds of a step (all; the last ones), last loss, kernel seconds, millions of page
    faults, peak GiB."""
    from repo_cli.config import compose
    from repo_cli.launch.processes import launch
    from repo_cli.stages import session

    if way == "plain":
        session.spare_memory = lambda: None
    settings = [
        "+experiment=demo",
        "policy.parent=null",
        "policy.train=full",
        "data.path=world:base",
        "data.limit=1500",
    ]
    settings += ["sft.context_weight=0.2", "sft.batch_size=10", f"sft.max_steps={steps}", "optim.name=muon"]
    done = launch("sft", compose("sft", [*settings, "engine.device=cpu", f"runs_dir={runs}", f"name={way}"]))
    rows = [json.loads(line) for line in (done.parent / "metrics.jsonl").read_text().splitlines()]
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "step_s": statistics.mean(row["timing/step_s"] for row in rows[10:]),
        "last_s": statistics.mean(row["timing/step_s"] for row in rows[-100:]),
        "loss": rows[-1]["sft/loss"],
        "kernel_s": used.ru_stime,
        "faults_m": used.ru_minflt / 1e6,
        "peak_gib": used.ru_maxrss / 2**20,
    }
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--runs", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        return child(args.way, args.steps, args.runs)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as runs:
        for _ in range(args.rounds):
            for way in WAYS:
                command = [sys.executable, str(Path(__file__)), "--steps", str(args.steps)]
                out = subprocess.run(
                    [*command, "--way", way, "--runs", runs], check=True, capture_output=True, env=environ
                )
                found[way].append(json.loads(out.stdout.decode().splitlines()[-1]))
                print(way, found[way][-1], flush=True)
    assert len({row["loss"] for rows in found.values() for row in rows}) == 1, (
        "the two ways differ in their result"
    )
    steps = {way: statistics.median(row["last_s"] for row in rows) for way, rows in found.items()}
    print(f"a step at the end: plain {steps['plain']:.3f} s, spared {steps['spared']:.3f} s: ", end="")
    print(f"{steps['plain'] / steps['spared']:.2f} times as fast")


if __name__ == "__main__":
    main()
