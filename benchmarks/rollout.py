"""The local generation engine against transformers' `generate`: real tokens a second, both sides in one run.

    python benchmarks/rollout.py --prompts 64 128 --dtype float32 bfloat16 --rounds 3

Ragged prompts (dialogues of the built-in world) and ragged replies: a model with random weights hardly ever ends a
reply by itself, so a number of token ids are declared to be stop tokens, for both sides alike (`--mean` tokens a reply
on average). Both sample at temperature 1 from the same bare base (no adapter, which `generate` would compute apart at
every token), all prompts at once; `generate` with sdpa and with `--attn`, and the faster of the two counts. Real tokens
are those up to the stop token: what `generate` computes for rows that have ended does not count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext
from typing import Any

import torch

from repo_cli.config import compose
from repo_cli.models.backbone import Backbone
from repo_cli.rollout import LocalEngine
from repo_cli.worlds import get_world


def build(attn: str, given: argparse.Namespace) -> Any:
    """The backbone, with random weights and a stop token about every `--mean` tokens."""
    torch.manual_seed(0)
    shape = [f"policy.build.hidden_size={given.hidden}", f"policy.build.num_layers={given.layers}"]
    shape += [
        f"policy.build.intermediate_size={3 * given.hidden}",
        f"policy.attn={attn}",
        "policy.max_length=1024",
    ]
    cfg = compose("rl", ["policy=tiny", *shape, "engine.device=cpu", f"rollout.max_new_tokens={given.new}"])
    cfg.policy.parent = None
    world = get_world("hotel", "en", 0)
    texts = (m["content"] for i in range(300) for m in world.rows("prompts", i)["prompt"])
    backbone = Backbone.load(cfg, "cpu", texts=texts)
    count = max(1, round(backbone.vocab_size / given.mean))
    chosen = torch.randperm(backbone.vocab_size, generator=torch.Generator().manual_seed(1))[:count]
    backbone.fmt.stop_ids = chosen.tolist()
    return cfg, backbone


def ours(cfg: Any, backbone: Any, contexts: list[list[int]], dtype: torch.dtype) -> tuple[int, float]:
    backbone.autocast_dtype = None if dtype == torch.float32 else dtype
    cfg.rollout.batch_size = len(contexts)
    engine = LocalEngine(backbone, None, cfg.rollout)
    began = time.perf_counter()
    replies = engine.generate(contexts, seed=1)
    return sum(len(reply.ids) for reply in replies), time.perf_counter() - began


@torch.no_grad()
def theirs(cfg: Any, backbone: Any, contexts: list[list[int]], dtype: torch.dtype) -> tuple[int, float]:
    longest, fmt = max(map(len, contexts)), backbone.fmt
    ids = torch.tensor([[fmt.pad_id] * (longest - len(c)) + c for c in contexts])
    seen = torch.tensor([[0] * (longest - len(c)) + [1] * len(c) for c in contexts])
    backbone.use(None)
    torch.manual_seed(1)
    began = time.perf_counter()
    with torch.autocast("cpu", dtype=dtype) if dtype != torch.float32 else nullcontext():
        out = backbone.base.generate(
            input_ids=ids, attention_mask=seen, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
            max_new_tokens=cfg.rollout.max_new_tokens, eos_token_id=fmt.stop_ids, pad_token_id=fmt.pad_id,
        )[:, longest:]  # fmt: skip
    seconds = time.perf_counter() - began
    stops = torch.isin(out, torch.tensor(fmt.stop_ids))
    real = torch.where(stops.any(1), stops.int().argmax(1) + 1, out.shape[1])
    return int(real.sum()), seconds


def compare(built: dict[str, Any], given: argparse.Namespace, count: int, dtype: torch.dtype) -> str:
    """Both sides in turn, `--rounds` times after one to warm up; the line that says how they did."""
    world = get_world("hotel", "en", 0)
    fmt = built[given.attn][1].fmt
    contexts = [fmt.context_ids(world.rows("prompts", 1000 + i)["prompt"]) for i in range(count)]
    sides = {"ours": (ours, given.attn)} | {f"transformers, {attn}": (theirs, attn) for attn in built}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(given.rounds + 1):
        for side, (run, attn) in sides.items():
            tokens, seconds = run(*built[attn], contexts, dtype)
            if turn:
                rates[side].append(tokens / seconds)
    mids = {side: statistics.median(found) for side, found in rates.items()}
    best = max((side for side in mids if side != "ours"), key=lambda side: mids[side])
    ratios = [a / b for a, b in zip(rates["ours"], rates[best], strict=True)]
    said = ", ".join(f"{side} {rate:.0f}" for side, rate in mids.items())
    return (
        f"real tokens a second: {said}; ours / best of transformers: "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, nargs="+", default=[64, 128])
    parser.add_argument(
        "--dtype", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"]
    )
    parser.add_argument(
        "--attn", default="blocks", help="our kernel; transformers is tried with sdpa as well"
    )
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--new", type=int, default=128, help="longest reply in tokens")
    parser.add_argument("--mean", type=int, default=40, help="tokens of a reply on average")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    built = {attn: build(attn, given) for attn in dict.fromkeys((given.attn, "sdpa"))}
    for count in given.prompts:
        for name in given.dtype:
            print(
                f"{count} prompts, {name}: " + compare(built, given, count, getattr(torch, name)), flush=True
            )


if __name__ == "__main__":
    main()
