"""What keeping freed memory is worth to generation on a CPU (`engine.keep_mib`), both ways in one run.

    python benchmarks/rollout_memory.py --replies 256 --rounds 3

Each way runs in a process of its own (glibc's rule holds for a whole process), in turn, `--rounds` times: the tiny
policy of the demo, with random weights, answers contexts of the built-in world. Prints the seconds of each, their
ratio, the seconds in the kernel, and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

KEPT = 256


def child(keep_mib: int, replies: int) -> None:
    """Prints one line of JSON: seconds of generation, kernel seconds, peak GiB."""
    import torch

    from repo_cli.config import compose
    from repo_cli.models.backbone import Backbone
    from repo_cli.rollout import LocalEngine
    from repo_cli.training.memory import keep_freed
    from repo_cli.worlds import get_world

    keep_freed(keep_mib)
    torch.manual_seed(0)
    cfg = compose("rl", ["+experiment=demo", f"rollout.batch_size={replies}", "engine.device=cpu"])
    cfg.policy.parent = None  # the base alone, from random weights
    world = get_world("hotel", "en", 0)
    rows = [world.rows("prompts", i) for i in range(replies)]
    texts = (m["content"] for row in rows for m in row["prompt"])
    backbone = Backbone.load(cfg, "cpu", texts=texts)
    engine = LocalEngine(backbone, None, cfg.rollout)
    contexts = [backbone.fmt.context_ids(row["prompt"]) for row in rows]
    engine.generate(contexts[:8], 0)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    made = engine.generate(contexts, 1)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    tokens = sum(len(reply.ids) for reply in made)
    kernel = after.ru_stime - before.ru_stime
    print(json.dumps({"s": seconds, "kernel_s": kernel, "gib": after.ru_maxrss / 2**20, "tokens": tokens}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replies", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", type=int, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        return child(given.child, given.replies)
    found: dict[int, list[dict[str, float]]] = {0: [], KEPT: []}
    for _ in range(given.rounds):
        for keep in found:
            command = [sys.executable, __file__, "--child", str(keep), "--replies", str(given.replies)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[keep].append(json.loads(done.stdout.splitlines()[-1]))
    for keep, runs in found.items():
        mid = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"keep_mib={keep}: {mid['s']:.2f} s for {mid['tokens']:.0f} tokens ({mid['tokens'] / mid['s']:.0f} a "
            f"second), {mid['kernel_s']:.1f} s of them in the kernel, peak {mid['gib']:.2f} GiB"
        )
    ratios = [a["s"] / b["s"] for a, b in zip(found[0], found[KEPT], strict=True)]
    print(f"without / with: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
