"""What the benchmarks of speed share: the machine's matrix rate, FLOPs of an update, and steps to time.

FLOPs of an update, by which its share of the matrix rate is told: 4 for each weight of the frozen base's linear layers
and each real token (2 forward, 2 for the gradient of the input; the weight itself gets none), and 4 for each weight of
the output layer and each token whose log-prob is wanted. Padding, recomputation, adapters and attention are not
counted: they are what a trainer has to pay for by itself. `attention` adds 3 times attention's forward FLOPs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import kit

FORMULA = (
    "FLOPs = 4 x weights of the frozen linear layers x real tokens + 4 x hidden x vocabulary x reply tokens (policy); "
    "REPO: both roles; with short cuts only what is computed of the last layer"
)


def matrix_rate(dtype: Any, device: str, seconds: float = 0.6) -> float:
    """The best FLOP/s of square-ish products of this dtype, over three sizes, each run for at least so long."""
    import torch

    best = 0.0
    sizes = ((1024, 1024, 3072), (2048, 2048, 2048), (1024, 3072, 1024))
    if device == "cuda":
        sizes = ((8192, 8192, 8192), (16384, 5120, 8192), (16384, 8192, 8192))
    for m, k, n in sizes:
        a, b = (torch.randn(shape, device=device).to(dtype) for shape in ((m, k), (k, n)))
        for _ in range(3):
            a @ b
        kit.synchronise(a.device)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for _ in range(4):
                a @ b
            kit.synchronise(a.device)
            count += 4
        best = max(best, count * 2.0 * m * k * n / (time.perf_counter() - began))
    return best


def samples(cfg: Any, backbone: Any, rows: int, prompt: int, reply: int, ragged: bool) -> list[Any]:
    """Rows of a context and a reply of random ids; ragged: of a third of these lengths up to them."""
    heads = kit.contexts(cfg, rows, prompt, ragged, seed=1)
    tails = kit.contexts(cfg, rows, reply, ragged, seed=2)
    return [backbone.fmt.from_rollout(head, tail) for head, tail in zip(heads, tails, strict=True)]


def trainer(cfg: Any, backbone: Any, made: list[Any]) -> tuple[Callable[[], None], Any]:
    """(one optimizer step of SFT on these samples, its engine): the loss is on the replies, by the product's engine."""
    from repo_cli.dialogue.batches import collate, micro_batches
    from repo_cli.training.engine import TrainEngine

    engine = TrainEngine(backbone, "policy", cfg, total_steps=100)

    def loss_fn(micro: list[Any]) -> Any:
        batch = collate(micro, backbone.fmt.pad_id).to(backbone.device)
        return -backbone.logps("policy", batch.ids, batch.attention, batch.mask).sum(), {}

    def step() -> None:
        micros = micro_batches([len(s.ids) for s in made], cfg.engine.micro_tokens)
        engine.step([[made[i] for i in m] for m in micros], loss_fn, float(sum(sum(s.mask) for s in made)))
        kit.synchronise(backbone.device)

    return step, engine


def items_of(made: list[Any]) -> list[Any]:
    """The samples as if they had been sampled from the policy."""
    from repo_cli.rollout.engine import Reply
    from repo_cli.stages.experience import Item

    found = []
    for sample in made:
        ids = [i for i, on in zip(sample.ids, sample.mask, strict=True) if on]
        found.append(Item({"prompt": []}, sample, Reply(ids, [-9.0] * len(ids), "", True)))
    return found


def flops(cfg: Any, made: list[Any], roles: int, attention: bool = False) -> float:
    """FLOPs of one update on the samples by FORMULA. roles: 1 = a policy alone, 2 = policy and critic."""
    build = cfg.policy.build
    tokens = sum(len(s.ids) for s in made)
    scored = sum(sum(s.mask) for s in made)
    linear = kit.frozen_linear_params(cfg) * tokens
    if cfg.engine.short_cuts:  # of the last layer only keys and values are computed for the others
        spared = 3 * build.intermediate_size + 2 * build.num_heads * build.head_dim
        linear -= spared * build.hidden_size * (tokens - scored)
    total = 4.0 * linear * roles + 4.0 * build.hidden_size * build.vocab_size * scored
    if attention:
        total += 3.0 * roles * sum(len(s.ids) * kit.attention_flops(cfg, len(s.ids)) for s in made)
    return total


def timed(step: Callable[[], None], rounds: int) -> float:
    """Median seconds of a step, after one that warms up."""
    step()
    return statistics.median(seconds_of(step) for _ in range(rounds))


def seconds_of(step: Callable[[], None]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
