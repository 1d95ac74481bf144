"""What each of `engine.short_cuts` is worth, part by part, in one process and in turn.

    python benchmarks/short_cuts.py                       # hidden 256, four layers, float32: about two minutes
    python benchmarks/short_cuts.py --hidden 1024 --autocast bfloat16

A part is switched on alone against everything off; at the end all of them. Seconds are medians over the rounds, the
ratio is that of off to on:

    norm      a norm in fewer passes over memory (models/rms_norm.py): the policy's update
    lora      a LoRA layer in fewer passes over memory (models/lora_linear.py): the policy's update
    last      the last layer only where it is read: the policy's update, the reward model's scores
    prompt    a prompt that eight replies answer is read once: generation
    values    the critic's update computes the values itself: values and update of a REPO step
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kit
import kit_work

PARTS = ("norm", "lora", "last", "prompt", "values")


@contextmanager
def only(parts: tuple[str, ...], backbone: Any) -> Iterator[None]:
    """Within: just these short cuts are on."""
    from repo_cli.models.lora_linear import LoraLinear
    from repo_cli.models.rms_norm import _Lean

    plain, recomputes, norm = LoraLinear._plain_role, backbone._recomputes, _Lean.forward
    backbone.short_cuts = bool(set(parts) - {"lora", "norm"})
    if "norm" not in parts:
        _Lean.forward = lambda norm, x: super(_Lean, norm).forward(x)  # type: ignore[method-assign]
    if "lora" not in parts:
        LoraLinear._plain_role = lambda *_: None  # type: ignore[method-assign]
    if "last" not in parts:
        backbone._recomputes = lambda: True
    try:
        yield
    finally:
        LoraLinear._plain_role, _Lean.forward = plain, norm  # type: ignore[method-assign]
        backbone._recomputes, backbone.short_cuts = recomputes, True


def ratios(
    work: Callable[[], Any], backbone: Any, on: tuple[str, ...], rounds: int
) -> tuple[float, float, list[float]]:
    """(Median seconds off, on, the rounds' ratios), after one round that warms up."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(rounds + 1):
        for side in (False, True):
            with only(on if side else (), backbone):
                began = time.perf_counter()
                work()
                kit.synchronise(backbone.device)
            if turn:
                took[side].append(time.perf_counter() - began)
    each = sorted(a / b for a, b in zip(took[False], took[True], strict=True))
    return statistics.median(took[False]), statistics.median(took[True]), each


def settings(given: argparse.Namespace) -> Any:
    """A Config for a base of the size asked for."""
    heads = given.hidden // 64
    kit.SIZES["asked"] = (given.hidden, 3 * given.hidden, given.layers, heads, heads, 64, 4096, True)
    return kit.settings(
        "asked",
        "engine.device=cpu",
        "engine.micro_tokens=2048",
        f"engine.autocast={given.autocast or 'null'}",
        f"policy.attn={given.attn}",
        f"policy.max_length={given.prompt + given.reply + 8}",
        f"rollout.max_new_tokens={given.reply}",
        f"rollout.batch_size={2 * given.rows}",
        f"rl.batch_size={given.rows}",
    )


def works(given: argparse.Namespace, cfg: Any, step: kit.Step, sft: Any, made: list[Any]) -> dict[str, Any]:
    """Name -> what is timed."""
    import torch

    from repo_cli.stages.experience import advantages_

    items = kit_work.items_of(made)
    totals, keep = torch.randn(len(items)), torch.ones(len(items), dtype=torch.bool)
    step.updater.values_(items)
    step.updater.calibrate_(items, totals, keep)
    groups = [c for c in kit.contexts(cfg, max(1, given.rows // 8), given.prompt, True) for _ in range(8)]

    def round_of_repo() -> None:
        updater = step.updater
        if updater.values_come_later(False):
            updater.learn_values_(items, totals, keep)
        else:
            updater.values_(items)
        advantages_(items, totals, keep, cfg.algorithm)
        updater.update(items, 1)

    return {
        "update of the policy": sft,
        "reward model's scores": lambda: step.reward.score([i.sample for i in items], 4096),
        "generation, groups of 8": lambda: step.sampler.generate(groups, seed=1),
        "values and both updates": round_of_repo,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = {"hidden": 256, "layers": 4, "rows": 32, "prompt": 320, "reply": 32, "rounds": 5}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--autocast", choices=("bfloat16",))
    parser.add_argument("--attn", default="blocks")
    given = parser.parse_args()
    import torch

    cfg = settings(given)
    torch.manual_seed(0)
    backbone = kit.random_base(cfg, "cpu")
    step = kit.Step(cfg, backbone)
    made = kit_work.samples(cfg, backbone, given.rows, given.prompt, given.reply, True)
    sft, engine = kit_work.trainer(cfg, backbone, made)
    timed = works(given, cfg, step, sft, made)
    update, scores, generation, both = timed
    asked = [
        *((part, name) for name in (update, scores) for part in ("norm", "lora", "last")),
        ("prompt", generation),
        ("values", both),
        *(("all", name) for name in timed),
    ]
    print(
        f"hidden {given.hidden}, {given.layers} layers, {given.rows} rows of up to {given.prompt} + {given.reply} "
        f"tokens, {given.autocast or 'float32'}, {torch.get_num_threads()} threads"
    )
    for part, name in asked:
        off, on, each = ratios(timed[name], backbone, PARTS if part == "all" else (part,), given.rounds)
        told = f"{statistics.median(each):6.2f} times ({each[0]:.2f} to {each[-1]:.2f})"
        print(f"{part:<8}{name:<26}{off:7.3f} s off {on:7.3f} s on {told}", flush=True)
    engine.close()
    step.close()


if __name__ == "__main__":
    main()
