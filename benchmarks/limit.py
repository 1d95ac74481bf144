"""How near to the machine's limit an update comes: its FLOP/s against the machine's own matrix products, in one run.

    python benchmarks/limit.py                    # hidden size 1024, four layers, ragged dialogues: about a minute
    python benchmarks/limit.py --size smallest --rows 4 --prompt 24 --reply 8 --rounds 1

For float32, for bf16 weights (engine.precision=bf16) and for autocast (float32 weights): the rate of large matrix
products in that dtype, and the share of it that SFT with a LoRA adapter and a REPO update (policy and critic) reach;
each round measures all three, and the median round is told.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import kit
import kit_work
import results

WAYS = {
    "float32": (),
    "bf16": ("engine.precision=bf16",),
    "autocast": ("engine.autocast=bfloat16",),
}


def measure(way: str, given: argparse.Namespace, device: str) -> dict[str, float]:
    """Matrix rate, and for each update: seconds, real tokens a second, FLOP/s and their share of the rate."""
    import torch

    from repo_cli.stages.experience import advantages_

    cfg = kit.settings(
        given.size,
        f"engine.device={device}",
        f"engine.micro_tokens={given.micro_tokens}",
        f"policy.max_length={given.prompt + given.reply + 8}",
        f"rollout.max_new_tokens={given.reply}",
        f"rl.batch_size={given.rows}",
        f"lora.r={given.lora_r}",
        f"policy.attn={given.attn or ('blocks' if device == 'cpu' else 'sdpa')}",
        f"engine.short_cuts={not given.plain}",
        *WAYS[way],
    )
    torch.manual_seed(0)
    backbone = kit.random_base(cfg, device)
    step = kit.Step(cfg, backbone)
    made = kit_work.samples(cfg, backbone, given.rows, given.prompt, given.reply, not given.even)
    items = kit_work.items_of(made)
    step.updater.values_(items)
    totals, keep = torch.randn(len(items)), torch.ones(len(items), dtype=torch.bool)
    step.updater.calibrate_(items, totals, keep)
    advantages_(items, totals, keep, cfg.algorithm)

    def repo() -> None:
        step.updater.update(items, 0)
        kit.synchronise(backbone.device)

    tokens = sum(len(s.ids) for s in made)
    sft, engine = kit_work.trainer(cfg, backbone, made)
    updates = {"sft": (sft, 1), "repo": (repo, 2)}
    for run, _ in updates.values():
        run()
    # in turn: where others use the processor too, what slows a round slows its products as well
    rounds: list[dict[str, float]] = []
    for _ in range(given.rounds):
        dtype = torch.float32 if way == "float32" else torch.bfloat16
        took = {"rate": kit_work.matrix_rate(dtype, device, given.seconds)}
        for name, (run, roles) in updates.items():
            took[f"{name}/s"] = seconds = kit_work.seconds_of(run)
            took[f"{name}/tokens_per_s"] = tokens / seconds
            for key, counted in (("share", False), ("share_with_attention", True)):
                done = kit_work.flops(cfg, made, roles, attention=counted) / seconds
                took[f"{name}/{key}"] = done / took["rate"]
        rounds.append(took)
    found = {key: statistics.median(took[key] for took in rounds) for key in rounds[0]}
    engine.close()
    step.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=sorted(kit.SIZES), default="wide")
    for name, default in (("rows", 12), ("prompt", 256), ("reply", 64), ("rounds", 5), ("lora-r", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--micro-tokens", type=int, default=640)
    parser.add_argument("--attn", help="policy.attn; by default blocks on a CPU, sdpa on a GPU")
    parser.add_argument("--plain", action="store_true", help="without engine.short_cuts")
    parser.add_argument("--even", action="store_true", help="all rows of one length")
    parser.add_argument("--seconds", type=float, default=0.6, help="for each matrix product")
    parser.add_argument("--ways", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--results", type=Path, help="a directory where the figures are kept; default nowhere"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON at the end")
    given = parser.parse_args()
    import torch

    shape: Any = kit.SIZES[given.size]
    lengths = "even" if given.even else "ragged"
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; hidden {shape[0]}, "
        f"{shape[2]} layers, vocabulary {shape[6]}; {given.rows} {lengths} rows of up to {given.prompt} + {given.reply}"
    )
    print(kit_work.FORMULA)
    every = {}
    for way in given.ways:
        found = every[way] = measure(way, given, given.device)
        print(f"{way:9s} matrix products {found['rate'] / 1e9:9.1f} GFLOP/s")
        for name in ("sft", "repo"):
            seconds, speed = found[f"{name}/s"], found[f"{name}/tokens_per_s"]
            share, more = found[f"{name}/share"], found[f"{name}/share_with_attention"]
            print(f"{'':9s} {name:5s} {seconds:7.2f} s a step, {speed:8.0f} real tokens/s, ", end="")
            print(f"{share:6.1%} of the rate ({more:.1%} with attention)")
    results.keep("limit", {"shape": vars(given) | {"results": None}, "ways": every}, given.results)
    if given.json:
        print(json.dumps(every))
    return 0


if __name__ == "__main__":
    sys.exit(main())
