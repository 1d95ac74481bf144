"""REPO on one GPU: rollout and update speed, share of the GPU's matrix rate, peak memory, seconds a step, by base size.

    python benchmarks/gpu.py --out gpu.json                        # Qwen3 0.6B, 4B, 32B shapes; each in its own process
    python benchmarks/gpu.py --sizes 32b --rollout-batch 64        # one of them
    python benchmarks/gpu.py                                       # without a GPU: the smallest size, on the CPU

Random weights in bf16, LoRA of rank 64 on policy and critic, an adapter for the reward model, all on one base, with
gradient checkpointing. Two parts for each size:

    a whole REPO step   `--batch` replies of `--reply` tokens to contexts of `--prompt` tokens: sample (adapter merged),
                        score, values, both updates, after a short step that warms up
    a long update       one LoRA step of the policy on one sequence of `--length` tokens, all of them learnt

Memory is what torch allocated, by phase, beside what `repo doctor --plan` estimates. The share (MFU) is told against
the measured rate of large bf16 products, and against --peak-tflops where that is given (989 for an H100 or H200).
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import kit
import kit_work

GIB = 2**30
PACKAGES = ("torch", "transformers", "peft", "deepspeed")
#: The paper's batch and reply length; rollout-batch 0 = all replies at once.
LARGE = {
    "batch": 128, "prompt": 512, "reply": 512, "length": 16384, "lora-r": 64, "rounds": 3, "micro-tokens": 16384,
    "rollout-batch": 0, "zero-stage": 0,
}  # fmt: skip
#: What a CPU does in seconds, where nothing else is asked for.
SMALL = {"batch": 4, "prompt": 16, "reply": 8, "length": 64, "lora-r": 8, "rounds": 1}


def config(size: str, given: argparse.Namespace, device: str, length: int, **more: Any) -> Any:
    keys = {
        "engine.device": device,
        "engine.precision": "bf16" if device == "cuda" else "fp32",
        "engine.zero_stage": given.zero_stage,
        "engine.gradient_checkpointing": "true",
        "engine.micro_tokens": max(given.micro_tokens, length),
        "policy.max_length": length,
        "policy.dtype": "bfloat16" if device == "cuda" else "float32",
        "policy.attn": given.attn or attention(device),
        "lora.r": given.lora_r,
        "lora.alpha": given.lora_r,
        "rollout.max_new_tokens": given.reply,
        "rollout.prefill_tokens": max(given.micro_tokens, length),
        "rollout.batch_size": given.rollout_batch or given.batch,
        "rl.batch_size": given.batch,
    } | more
    return kit.settings(size, *(f"{name}={value}" for name, value in keys.items()))


def attention(device: str) -> str:
    """flash_attention_2 where its package is installed, else torch's own kernels."""
    try:
        metadata.version("flash-attn")
    except metadata.PackageNotFoundError:
        return "sdpa"
    return "flash_attention_2" if device == "cuda" else "sdpa"


def whole_step(size: str, given: argparse.Namespace, device: str, rate: float) -> dict[str, Any]:
    """A REPO step: seconds and peak GiB by phase, speeds, the plan's estimate."""
    from repo_cli.models.shapes import shape_of_policy
    from repo_cli.training.plan_memory import plan

    cfg = config(size, given, device, given.prompt + given.reply)
    backbone = kit.random_base(cfg, device)
    step = kit.Step(cfg, backbone)
    reply, cfg.rollout.max_new_tokens = cfg.rollout.max_new_tokens, 2
    step.one(kit.contexts(cfg, min(8, given.batch), given.prompt))
    cfg.rollout.max_new_tokens = reply
    step.seconds.clear()
    peaks: dict[str, float] = {}

    def ended(name: str) -> None:
        peaks[name] = peak_gib(device)
        forget_peak(device)

    step.ended = ended
    forget_peak(device)
    items = step.one(kit.contexts(cfg, given.batch, given.prompt), 1)
    made = [item.sample for item in items]
    seconds = dict(step.seconds)
    update = seconds["update"]
    done = kit_work.flops(cfg, made, roles=2) / update
    planned = plan(
        cfg, shape_of_policy(cfg.policy), prompt=given.prompt, reply=given.reply, on_cpu=device == "cpu"
    )
    step.close()
    return {
        "seconds": seconds | {"step": sum(seconds.values())},
        "rollout_tokens_per_s": sum(len(item.reply.ids) for item in items) / seconds["generate"],
        "update_tokens_per_s": sum(len(s.ids) for s in made) / update,
        "update_share": done / rate,
        "update_tflops": done / 1e12,
        "update_share_with_attention": kit_work.flops(cfg, made, 2, attention=True) / update / rate,
        "peak_gib": peaks,
        "plan_gib": {phase: planned.total(phase) / GIB for phase in planned.phases},
    }


def long_update(size: str, given: argparse.Namespace, device: str, rate: float) -> dict[str, Any]:
    """A LoRA step of the policy alone on one sequence, as trainers are compared."""
    from repo_cli.stages.roles import add_role

    cfg = config(size, given, device, given.length, **{"rollout.max_new_tokens": 8})
    backbone = kit.random_base(cfg, device)
    add_role(cfg, backbone, "policy")
    made = kit_work.samples(cfg, backbone, 1, 1, given.length - 1, ragged=False)
    step, engine = kit_work.trainer(cfg, backbone, made)
    forget_peak(device)
    seconds = kit_work.timed(step, given.rounds)
    engine.close()
    done = kit_work.flops(cfg, made, roles=1) / seconds
    return {
        "tokens_per_s": given.length / seconds,
        "share": done / rate,
        "tflops": done / 1e12,
        "share_with_attention": kit_work.flops(cfg, made, 1, attention=True) / seconds / rate,
        "peak_gib": peak_gib(device),
    }


def peak_gib(device: str) -> float:
    import torch

    return (torch.cuda.max_memory_allocated() if device == "cuda" else kit.peak_rss()) / GIB


def forget_peak(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        kit.reset_peak()


def child(part: str, size: str, given: argparse.Namespace, device: str) -> None:
    """Prints one line of JSON."""
    import torch

    rate = kit_work.matrix_rate(torch.bfloat16 if device == "cuda" else torch.float32, device, given.seconds)
    found = PARTS[part](size, given, device, rate)
    print(json.dumps({"matrix_tflops": rate / 1e12, "attn": given.attn or attention(device), part: found}))


PARTS = {"step": whole_step, "update": long_update}


def hardware(device: str) -> dict[str, Any]:
    import torch

    name = torch.cuda.get_device_name(0) if device == "cuda" else platform.machine()
    memory = torch.cuda.get_device_properties(0).total_memory / GIB if device == "cuda" else 0.0
    versions = {package: metadata.version(package) for package in PACKAGES}
    return {"device": name, "memory_gib": memory, "cuda": torch.version.cuda, "versions": versions}


def tell(size: str, found: dict[str, Any], peak_tflops: float | None) -> None:
    """The figures of one size, for people."""
    print(f"\n{size}: matrix products {found['matrix_tflops']:.3g} TFLOP/s, attention {found['attn']}")
    if "step" in found:
        step, by_phase = found["step"], found["step"]["peak_gib"]
        text = ", ".join(f"{name} {value:.2f}" for name, value in step["seconds"].items() if name != "step")
        share, more = step["update_share"], step["update_share_with_attention"]
        peak, plan = max(by_phase.values()), max(step["plan_gib"].values())
        phases = ", ".join(f"{name} {value:.2f}" for name, value in by_phase.items())
        print(f"  a REPO step   {step['seconds']['step']:9.2f} s   ({text})")
        print(f"  rollout       {step['rollout_tokens_per_s']:9.0f} tokens/s")
        print(f"  update        {step['update_tokens_per_s']:9.0f} tokens/s (policy and critic), ", end="")
        print(f"{share:.1%} of the matrix rate ({more:.1%} with attention)")
        print(f"  peak memory   {peak:9.2f} GiB  ({phases}); plan {plan:.2f}")
    if "update" in found:
        long = found["update"]
        line = f"{long['share']:.1%} of the matrix rate ({long['share_with_attention']:.1%} with attention)"
        if peak_tflops:
            line += f", {long['tflops'] / peak_tflops:.1%} of {peak_tflops:g} TFLOP/s"
        print(
            f"  long update   {long['tokens_per_s']:9.0f} tokens/s, {line}, peak {long['peak_gib']:.2f} GiB"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=sorted(kit.SIZES), help="default: 0.6b 4b 32b on a GPU")
    for name, default in LARGE.items():
        text = f"default: {default}" + (f", {SMALL[name]} without a GPU" if name in SMALL else "")
        parser.add_argument(f"--{name}", type=int, help=text)
    parser.add_argument(
        "--attn", help="policy.attn; default: flash_attention_2 where it is installed, else sdpa"
    )
    parser.add_argument("--seconds", type=float, default=0.6, help="for each matrix product")
    parser.add_argument("--peak-tflops", type=float, help="the GPU's bf16 rate by its data sheet")
    parser.add_argument("--out", type=Path, help="write the figures with hardware and versions (JSON)")
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), default=list(PARTS))
    parser.add_argument("--child", choices=sorted(kit.SIZES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    usual = LARGE if device == "cuda" else LARGE | SMALL
    for name, default in usual.items():
        if getattr(given, name.replace("-", "_")) is None:
            setattr(given, name.replace("-", "_"), default)
    if given.child:
        child(given.parts[0], given.child, given, device)
        return 0
    sizes = given.sizes or (["0.6b", "4b", "32b"] if device == "cuda" else ["smallest"])
    every: dict[str, Any] = hardware(device) | {"sizes": {}}
    print(f"{every['device']}, {', '.join(f'{n} {v}' for n, v in every['versions'].items())}")
    print(f"{given.batch} replies of {given.reply} tokens to contexts of {given.prompt}; {kit_work.FORMULA}")
    own = [f"--{name}={getattr(given, name.replace('-', '_'))}" for name in (*LARGE, "seconds")]
    own += [f"--attn={given.attn}"] if given.attn else []
    failed = []
    for size in sizes:
        found: dict[str, Any] = {}
        for part in given.parts:
            command = [sys.executable, __file__, "--child", size, "--parts", part, *own]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                failed.append(size)
                print(f"\n{size}, {part}: failed\n{done.stderr[-2000:]}", file=sys.stderr)
                continue
            found |= json.loads(done.stdout.splitlines()[-1])
        if found:
            tell(size, found, given.peak_tflops)
        every["sizes"][size] = found
        if given.out:
            given.out.write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
