"""Groups of replies to one prompt: advantages where replies are missing, several rewards, groups that teach nothing.

Shapes are `[batch]`, groups contiguous; `keep` (bool `[batch]`) marks the replies that take part.
"""

from __future__ import annotations

import torch
from torch import Tensor

from repo_cli.algorithms.advantages import group_advantages

LENGTH_NORMS = ("token", "reply", "constant")


def kept_group_advantages(rewards: Tensor, keep: Tensor, group_size: int, scale: bool = True) -> Tensor:
    """`group_advantages` over the kept replies of each group alone; a reply that is not kept gets 0."""
    out = torch.zeros_like(rewards)
    for start in range(0, len(rewards), group_size):
        kept = start + keep[start : start + group_size].nonzero()[:, 0]
        if len(kept):
            out[kept] = group_advantages(rewards[kept], len(kept), scale=scale)
    return out


def gdpo_advantages(
    sources: Tensor, weights: list[float], keep: Tensor, group_size: int, scale: bool = True
) -> Tensor:
    """GDPO (arXiv 2601.05242): each reward normalised within its group first, then the weighted sum.

    sources: `[sources, batch]`, NaN = not scored (left out of its source's group). A reward that does not vary
    in a group adds nothing there, and one on a larger scale does not drown the others. The paper then
    normalises the sum over the batch: `whiten_with_moments`, by the caller, who knows of other ranks.
    """
    out = torch.zeros_like(sources[0])
    for weight, rewards in zip(weights, sources, strict=True):
        scored = keep & ~rewards.isnan()
        out = out + weight * kept_group_advantages(rewards.nan_to_num(0.0), scored, group_size, scale)
    return out


def flat_groups(rewards: Tensor, keep: Tensor, group_size: int) -> Tensor:
    """bool `[groups]`: fewer than two kept replies, or all of them with the same reward: nothing to learn there."""
    groups, kept = rewards.view(-1, group_size), keep.view(-1, group_size)
    low = torch.where(kept, groups, torch.inf).amin(1)
    high = torch.where(kept, groups, -torch.inf).amax(1)
    return ~(low < high)


def length_weights(lengths: Tensor, kind: str, tokens: float, replies: float, longest: int) -> Tensor:
    """Weight of each reply's tokens `[batch]` in a loss that is summed over tokens and divided by `tokens`.

    lengths: reply tokens `[batch]`; tokens, replies: counts over the whole batch of all ranks. token = every
    token counts alike (weight 1); reply = mean over a reply's tokens first, then over replies (GRPO's own
    form, which favours short good replies and long bad ones); constant = sum over a reply's tokens divided by
    `longest` (Dr.GRPO, arXiv 2503.20783).

    Raises ValueError for another kind.
    """
    if kind == "token":
        return torch.ones_like(lengths, dtype=torch.float32)
    if kind == "reply":
        return tokens / (replies * lengths.clamp(min=1).float())
    if kind == "constant":
        return torch.full_like(lengths, tokens / (replies * longest), dtype=torch.float32)
    raise ValueError(f"{kind!r} is none of {', '.join(LENGTH_NORMS)}")
