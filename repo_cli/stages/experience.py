"""From prompts to what the update learns from: replies, rewards on their last token, advantages.

Everything per reply is kept in reply-only tensors [tokens]; the padded [batch, time] form exists only inside the pure
functions of `repo_cli.algorithms` and inside micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from repo_cli.algorithms import gae, kl_estimate, masked_moments, token_rewards, whiten_with_moments
from repo_cli.config.schema import AlgorithmConfig
from repo_cli.dialogue.tokens import Sample
from repo_cli.rollout.engine import LocalEngine, Reply
from repo_cli.stages.groups import Sources, advantages_in_groups
from repo_cli.training.distributed import all_gather_objects, all_sum

#: A prompts row, and its context ids as the policy will see them.
Prompt = tuple[dict[str, Any], list[int]]


@dataclass
class Item:
    """One reply with all that training needs of it. Tensors: [reply tokens], float32, on the CPU."""

    row: dict[str, Any]
    sample: Sample  # context + reply ids exactly as sampled, mask 1 on the reply
    reply: Reply
    values: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    advantages: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    returns: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    old_logps: torch.Tensor | None = None
    check_logps: torch.Tensor | None = None  # the trainer's, before the first update; for the preflight check
    ref_logps: torch.Tensor | None = None  # the reference's, where algorithm.kl_coef asks for them
    keep: bool = True
    # the partner's next turn {text, ended, outcome}, where there is a partner
    answer: dict[str, Any] | None = None
    total: float = 0.0  # its reward, where the critic's own update computes the values
    weight: float = 1.0  # of its tokens in the policy loss (algorithm.length_norm)

    def kl(self, estimator: str = "k1") -> torch.Tensor:
        """KL(sampled policy || reference) as estimated at each reply token."""
        assert self.ref_logps is not None
        sampled = torch.tensor(self.reply.logps)
        return kl_estimate(sampled, self.ref_logps, torch.ones_like(sampled), estimator)

    def as_scored(self) -> dict[str, Any]:
        """What the reward ensemble reads of a reply."""
        return {**scored(self.row, self.reply), "sample": self.sample, "answer": self.answer}


def scored(row: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """What rules and a judge elsewhere read of a reply, as soon as it is there."""
    scenario = row.get("scenario", {})
    return {"scenario": scenario, "history": row["prompt"], "reply": reply.text, "finished": reply.finished}


def collect(
    sampler: LocalEngine,
    prompts: list[Prompt],
    seed: int,
    take: Callable[[int, dict[str, Any]], None] | None = None,
) -> list[Item]:
    """One sampled reply per prompt; `take(index, scored)` is handed each one while others are still being sampled."""
    fmt = sampler.backbone.fmt

    def done(index: int, reply: Reply) -> None:
        if take is not None:
            take(index, scored(prompts[index][0], reply))

    replies = sampler.generate([context for _, context in prompts], seed, done)
    return [
        Item(row, fmt.from_rollout(context, reply.ids), reply)
        for (row, context), reply in zip(prompts, replies, strict=True)
    ]


def pad(rows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """([batch, time] padded with 0, mask [batch, time])."""
    longest = max((len(r) for r in rows), default=0)
    out, mask = torch.zeros(len(rows), longest), torch.zeros(len(rows), longest)
    for i, row in enumerate(rows):
        out[i, : len(row)], mask[i, : len(row)] = row, 1.0
    return out, mask


def advantages_(
    items: list[Item],
    totals: torch.Tensor,
    keep: torch.Tensor,
    cfg: AlgorithmConfig,
    sources: Sources | None = None,
) -> None:
    """Fill `keep`, `advantages` and `returns` of each item (GAE with a critic, group advantages without; with
    `sources` GDPO's, which stand for the totals).

    Whitening uses the mean and variance over the reply tokens of all ranks.
    """
    for item, kept in zip(items, keep.tolist(), strict=True):
        item.keep = bool(kept) and len(item.reply.ids) > 0
    mask = pad([torch.ones(len(i.reply.ids)) for i in items])[1] * torch.tensor(
        [[float(i.keep)] for i in items]
    )
    totals = torch.where(keep.bool(), totals.float().cpu(), torch.zeros(len(items)))
    penalty = torch.zeros_like(mask)
    if cfg.kl_coef and cfg.kl_in == "reward":
        penalty = cfg.kl_coef * pad([i.kl(cfg.kl_estimator) for i in items])[0] * mask
    if cfg.name == "grpo":
        net = totals - penalty.sum(1)
        per_reply = advantages_in_groups(net, [item.keep for item in items], cfg, sources)
        advantages = per_reply[:, None] * mask
        returns = torch.zeros_like(advantages)
    else:
        values, _ = pad([i.values for i in items])
        advantages, returns = gae(token_rewards(totals, mask) - penalty, values, mask, cfg.gamma, cfg.lam)
        if cfg.whiten:
            moments = torch.tensor(
                [all_sum(m) for m in masked_moments(advantages, mask).tolist()], dtype=torch.float64
            )
            advantages = whiten_with_moments(advantages, mask, moments)
    for row, item in enumerate(items):
        item.advantages = advantages[row, : len(item.reply.ids)]
        item.returns = returns[row, : len(item.reply.ids)]


def rollout_stats(items: list[Item], session: Any) -> dict[str, float]:
    """Lengths, truncation and repetition of the step's replies, over all ranks."""
    mine = [(len(i.reply.ids), i.reply.finished, _repeats(i.reply.ids)) for i in items]
    rows = [r for part in all_gather_objects(mine) for r in part]
    lengths = [float(r[0]) for r in rows]
    tokens = sum(lengths)
    return {
        "rollout/length_mean": tokens / len(rows),
        "rollout/length_max": max(lengths),
        "rollout/truncated_frac": sum(not r[1] for r in rows) / len(rows),
        "rollout/repetition": sum(r[2] for r in rows) / len(rows),
        "rollout/tokens_per_s": tokens / max(1e-9, session.seconds("generate")),
        "rollout/replies": float(len(rows)),
        **_answer_stats(items),
    }


def _answer_stats(items: list[Item]) -> dict[str, float]:
    """What the partner did, over all ranks: shares of dialogues of the policy's own, ended, and closed with a deal."""
    mine = [
        (
            "own" in i.row.get("tags", ()),
            bool(i.answer["ended"]),
            bool((i.answer["outcome"] or {}).get("deal")),
        )
        for i in items
        if i.answer is not None
    ]
    rows = [r for part in all_gather_objects(mine) for r in part]
    names = ("rollout/own_frac", "rollout/ended_frac", "rollout/deal_frac")
    return {name: sum(r[k] for r in rows) / len(rows) for k, name in enumerate(names)} if rows else {}


def _repeats(ids: list[int], n: int = 4) -> float:
    """Share of a reply's n-grams that it has used before."""
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def rollout_rows(items: list[Item], parts: Any, totals: torch.Tensor, most: int) -> list[dict[str, Any]]:
    """Replies to read, each with all its scores, E, the multiplier, and why it was not kept (at most `most` of this
    rank's)."""
    rows = []
    for i, item in enumerate(items[:most]):
        prompt = item.row["prompt"]
        rows.append(
            {
                "history": prompt[-3:],
                "reply": item.reply.text,
                **({"answer": item.answer} if item.answer is not None else {}),
                "finished": item.reply.finished,
                "kept": item.keep,
                **({} if item.keep else {"left_out": "an empty reply"}),
                "total": float(totals[i]),
                **parts.row(i),
            }
        )
    return rows
