"""Causal attention, forward and backward: `blocks` against transformers' `eager` and torch's SDPA.

    python benchmarks/attention.py                 # the demo's shape, bfloat16
    python benchmarks/attention.py --time 1024 --heads 8 --dtype float32

All three run in this process on the same tensors, in turns; printed are milliseconds and their ratio to eager's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch

from repo_cli.models.attention import blocks_attention


def eager(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What transformers' eager_attention_forward computes."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + mask
    return torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype) @ value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("batch", 10), ("heads", 4), ("time", 384), ("width", 64), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    given = parser.parse_args()
    dtype = getattr(torch, given.dtype)
    shape = (given.batch, given.heads, given.time, given.width)
    torch.manual_seed(0)
    query, key, value = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3))
    gradient = torch.randn(shape, dtype=dtype)
    mask = torch.full((given.time, given.time), float("-inf"), dtype=dtype).triu(1)
    module = SimpleNamespace(training=False)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "eager": lambda: eager(query, key, value, mask),
        "sdpa": lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True),
        "blocks": lambda: blocks_attention(module, query, key, value, None)[0].transpose(1, 2),  # type: ignore[arg-type]
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(given.rounds + 2):
        for name, way in ways.items():
            began = time.perf_counter()
            way().backward(gradient)
            if turn >= 2:  # the first ones warm up
                seconds[name].append(time.perf_counter() - began)
            query.grad = key.grad = value.grad = None
    base = statistics.median(seconds["eager"])
    print(f"{given.dtype}, [batch, heads, time, width] = {list(shape)}, {torch.get_num_threads()} threads")
    for name, took in seconds.items():
        middle = statistics.median(took)
        print(f"{name:8s} {1000 * middle:8.1f} ms   {base / middle:5.2f} times eager's speed")


if __name__ == "__main__":
    main()
