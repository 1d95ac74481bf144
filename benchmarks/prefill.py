"""What reading the contexts in parts (`rollout.prefill_tokens`) is worth to generation on a CPU, all ways in one run.

    python benchmarks/prefill.py --replies 256 --rounds 3

glibc maps a block above 32 MiB anew each time, and the system clears and faults in every page of it: the activations
of 128 contexts read at once are such blocks. Each way runs in a process of its own (glibc's rule holds for a whole
process), in turn, `--rounds` times: the tiny policy of the demo, with random weights, answers contexts of the built-in
world. Prints the seconds of each, the seconds in the kernel, peak memory, and each one's ratio to the first.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time


def child(prefill: int, replies: int, batch: int) -> None:
    """Prints one line of JSON: seconds of generation, kernel seconds, peak GiB, tokens."""
    import torch

    from repo_cli.config import compose
    from repo_cli.models.backbone import Backbone
    from repo_cli.rollout import LocalEngine
    from repo_cli.worlds import get_world

    torch.manual_seed(0)
    settings = [f"rollout.batch_size={batch}", f"rollout.prefill_tokens={prefill}", "engine.device=cpu"]
    cfg = compose("rl", ["+experiment=demo", *settings])
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
    parser.add_argument("--batch", type=int, default=128, help="sequences decoded at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prefill", type=int, nargs="+", default=[1_000_000, 16384, 4096, 2048])
    parser.add_argument("--child", type=int, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        return child(given.child, given.replies, given.batch)
    found: dict[int, list[dict[str, float]]] = {prefill: [] for prefill in given.prefill}
    for _ in range(given.rounds):
        for prefill, runs in found.items():
            command = [sys.executable, __file__, "--child", str(prefill)]
            command += ["--replies", str(given.replies), "--batch", str(given.batch)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    first = found[given.prefill[0]]
    for prefill, runs in found.items():
        mid = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        ratios = [a["s"] / b["s"] for a, b in zip(first, runs, strict=True)]
        print(
            f"prefill_tokens={prefill}: {mid['s']:.2f} s for {mid['tokens']:.0f} tokens "
            f"({mid['tokens'] / mid['s']:.0f} a second), {mid['kernel_s']:.1f} s of them in the kernel, peak "
            f"{mid['gib']:.2f} GiB; {statistics.median(ratios):.2f} times the first "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
