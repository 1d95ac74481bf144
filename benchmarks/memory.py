"""Peak memory of a whole REPO step on one base, against one LoRA adapter in training, and against four copies of it.

    python benchmarks/memory.py                                   # 110M parameters, lengths 256, 512, 1024
    python benchmarks/memory.py --size smallest --lengths 64      # seconds: what the tests run

Each figure comes from a process of its own, and is its peak resident memory (by phase: Linux forgets the peak when it
is asked to) above that of a process which has only imported the libraries. The three sides:

    adapter   the base with one LoRA adapter in training, and nothing else
    repo      policy, critic and reward model as adapters on one base: sample, score, values, both updates
    copies    the same step with a base for each of policy, critic, reward model and reference

All run on the same micro-batch tokens (`engine.micro_tokens`), with optimiser states in place (a short step comes
first). While the policy is merged for sampling, the untouched weights are kept in the host's memory; on a GPU that is
another memory, so this copy is taken off and printed apart. Beside the measured peak stands what `repo doctor --plan`
estimates. Exit code 1 where the ratio is above 1.35 or the estimate off by more than a fifth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kit
import results

MIB = 2**20
AIM, OFF = 1.35, 0.20
SIDES = ("adapter", "repo", "copies")


def config(size: str, length: int, micro_tokens: int, r: int) -> Any:
    """Two micro-batches a step, replies of a quarter of the length, merged generation."""
    reply, rows = length // 4, max(1, micro_tokens // length)
    return kit.settings(
        size,
        "engine.device=cpu",
        f"engine.micro_tokens={max(micro_tokens, length)}",
        f"policy.max_length={length}",
        f"rollout.max_new_tokens={reply}",
        f"rollout.batch_size={2 * rows}",
        f"rollout.prefill_tokens={max(micro_tokens, length)}",
        f"rl.batch_size={2 * rows}",
        f"rm.batch_tokens={max(micro_tokens, length)}",
        f"lora.r={r}",
        f"lora.alpha={r}",
    )


def imports() -> None:
    """Everything that the sides import."""
    import peft  # noqa: F401
    import transformers.models.qwen3.modeling_qwen3  # noqa: F401

    import repo_cli.rewards.reward_model
    import repo_cli.rollout
    import repo_cli.stages.update  # noqa: F401
    from repo_cli.training.deepspeed_setup import prepare

    prepare()


def child(side: str, size: str, length: int, micro_tokens: int, r: int) -> None:
    """Prints one line of JSON: peak bytes by phase."""
    import torch

    imports()
    if side == "imports":
        print(json.dumps({"all": kit.peak_rss()}))
        return
    cfg = config(size, length, micro_tokens, r)
    if side == "copies":
        cfg.algorithm.name, cfg.algorithm.kl_coef, cfg.algorithm.kl_reference = "ppo", 0.05, "base"
    torch.manual_seed(0)
    made = kit.tokenizer()
    peaks: dict[str, int] = {}

    def ended(name: str) -> None:
        peaks[name] = kit.peak_rss()
        kit.reset_peak()

    rows, prompt = cfg.rl.batch_size, length - cfg.rollout.max_new_tokens
    backbone = kit.random_base(cfg, "cpu", made)
    if side == "adapter":
        _adapter(cfg, backbone, rows, prompt, ended)
    else:
        bases = {"policy": backbone} if side == "copies" else {}
        for role in ("rm", "critic", "reference") if bases else ():
            bases[role] = kit.random_base(cfg, "cpu", made)
        step = kit.Step(cfg, backbone, bases)
        reply, cfg.rollout.max_new_tokens = cfg.rollout.max_new_tokens, 2
        step.one(kit.contexts(cfg, 2, 8))  # optimiser states
        cfg.rollout.max_new_tokens, step.ended = reply, ended
        kit.reset_peak()
        step.one(kit.contexts(cfg, rows, prompt), 1)
    print(json.dumps(peaks))


def _adapter(cfg: Any, backbone: Any, rows: int, prompt: int, ended: Any) -> None:
    """LoRA training of the policy on rows of the same lengths: minus the log-probs of their replies."""
    from repo_cli.dialogue.batches import collate, micro_batches
    from repo_cli.stages.roles import add_role
    from repo_cli.training.engine import TrainEngine

    add_role(cfg, backbone, "policy")
    engine = TrainEngine(backbone, "policy", cfg, total_steps=10)

    def loss_fn(micro: list[Any]) -> Any:
        batch = collate(micro, backbone.fmt.pad_id)
        return -backbone.logps("policy", batch.ids, batch.attention, batch.mask).sum(), {}

    for count, context, reply in ((2, 8, 2), (rows, prompt, cfg.rollout.max_new_tokens)):
        ids = kit.contexts(cfg, count, context + reply)
        samples = [backbone.fmt.from_rollout(x[:context], x[context:]) for x in ids]
        micros = micro_batches([len(s.ids) for s in samples], cfg.engine.micro_tokens)
        kit.reset_peak()
        engine.step([[samples[i] for i in m] for m in micros], loss_fn, float(count * reply))
        ended("update")
    engine.close()


def run(side: str, given: argparse.Namespace, length: int) -> dict[str, int]:
    """One side in a process of its own."""
    options = ["--size", given.size, "--micro-tokens", str(given.micro_tokens), "--lora-r", str(given.lora_r)]
    command = [sys.executable, __file__, "--child", side, "--lengths", str(length), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side}, length {length}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def estimates(given: argparse.Namespace, length: int) -> tuple[dict[str, float], float]:
    """(bytes by phase without the merge's copy, that copy), as `repo doctor --plan` has them."""
    from repo_cli.models.shapes import shape_of_policy
    from repo_cli.training.plan_memory import plan

    cfg = config(given.size, length, given.micro_tokens, given.lora_r)
    made = plan(
        cfg,
        shape_of_policy(cfg.policy),
        prompt=length - cfg.rollout.max_new_tokens,
        reply=cfg.rollout.max_new_tokens,
        on_cpu=True,
    )
    copy = made.phases["generate"].pop("merge copy")
    found = {phase: made.total(phase) for phase in made.phases}
    update = max(value for phase, value in found.items() if phase.startswith("update"))
    return {phase: value for phase, value in found.items() if not phase.startswith("update")} | {
        "update": update
    }, copy


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=sorted(kit.SIZES), default="100m")
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--micro-tokens", type=int, default=1024)
    parser.add_argument("--lora-r", type=int, default=16)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument(
        "--results", type=Path, help="a directory where the figures are kept; default nowhere"
    )
    parser.add_argument("--child", choices=("imports", *SIDES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.size, given.lengths[0], given.micro_tokens, given.lora_r)
        return 0
    nothing = run("imports", given, given.lengths[0])["all"]
    print(f"a process that has imported the libraries: {nothing / MIB:.0f} MiB (taken off below)")
    missed, every = False, {}
    for length in given.lengths:
        found = {side: run(side, given, length) for side in given.sides}
        by_phase, copy = estimates(given, length)
        above: dict[str, dict[str, float]] = {}
        for side, phases in found.items():
            above[side] = {name: value - nothing for name, value in phases.items()}
            if "generate" in phases:
                above[side]["generate"] -= copy
        peak = {side: max(values.values()) for side, values in above.items()}
        every[length] = {"above": above, "plan": by_phase, "merge copy": copy}
        print(f"\nlength {length}, micro-batches of {max(given.micro_tokens, length)} tokens, MiB")
        for side in given.sides:
            phases_text = ", ".join(f"{name} {value / MIB:.0f}" for name, value in above[side].items())
            ratio = f"  {peak[side] / peak['adapter']:5.2f} times the adapter" if "adapter" in peak else ""
            print(f"{side:8s} {peak[side] / MIB:7.0f}{ratio}   ({phases_text})")
        print(f"merging keeps a copy of {copy / MIB:.0f} MiB in the host's memory while it samples")
        if "repo" not in peak:
            continue
        planned = max(by_phase.values())
        text = ", ".join(f"{name} {value / MIB:.0f}" for name, value in by_phase.items())
        print(
            f"plan     {planned / MIB:7.0f}  {planned / peak['repo']:5.2f} times what was measured   ({text})"
        )
        missed |= abs(planned / peak["repo"] - 1) > OFF
        missed |= "adapter" in peak and peak["repo"] / peak["adapter"] > AIM
    figures = {"size": given.size, "micro_tokens": given.micro_tokens, "imports": nothing, "lengths": every}
    results.keep("memory", figures, given.results)
    aims = f"repo at most {AIM} times the adapter, plan within {OFF:.0%}"
    print(f"\n{'missed' if missed else 'held'}: {aims}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
