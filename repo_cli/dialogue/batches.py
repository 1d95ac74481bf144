"""From samples to tensors, and how a batch is shared out over micro-batches and ranks.

Padding is on the right and known by length: `attention` is 1 on real tokens whatever their ids, so a pad
id that equals the end token hides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from repo_cli.dialogue.tokens import Sample


@dataclass
class Batch:
    """ids, attention, mask: [batch, time] (int64, int64, float32); attention 1 on real tokens, mask 1 on
    reply tokens."""

    ids: Tensor
    attention: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> Batch:
        return Batch(self.ids.to(device), self.attention.to(device), self.mask.to(device))

    def __len__(self) -> int:
        return self.ids.shape[0]


def pad_right(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """[batch, longest] int64; an empty batch is [0, 0]."""
    longest = max((len(r) for r in rows), default=0)
    return torch.tensor([[*r, *[pad_id] * (longest - len(r))] for r in rows], dtype=torch.long).reshape(
        len(rows), longest
    )


def pad_left(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """[batch, longest] int64, for generation."""
    longest = max((len(r) for r in rows), default=0)
    return torch.tensor([[*[pad_id] * (longest - len(r)), *r] for r in rows], dtype=torch.long).reshape(
        len(rows), longest
    )


def collate(samples: Sequence[Sample], pad_id: int) -> Batch:
    """Right-padded batch of samples."""
    return Batch(
        ids=pad_right([s.ids for s in samples], pad_id),
        attention=pad_right([[1] * len(s.ids) for s in samples], 0),
        mask=pad_right([s.mask for s in samples], 0).float(),
    )


def micro_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Indices into `lengths`, cut into micro-batches of at most `token_budget` tokens, padding counted.

    Sorted by length, longest first, so that little is padded and a batch that does not fit in memory fails
    at once; deterministic, every index once. A sequence longer than the budget is a micro-batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches: list[list[int]] = []
    for i in order:
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= token_budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def rank_micro_batches(lengths: Sequence[int], token_budget: int, rank: int, world: int) -> list[list[int]]:
    """The share of one rank in the micro-batches of the *global* batch, dealt to and fro so that the
    ranks' loads are near each other. The micro-batches are the same for any number of ranks; together the
    ranks have each once. Ranks may differ by one in how many they have (the engine pads with micro-batches
    of no loss)."""
    batches = micro_batches(lengths, token_budget)
    dealt = []
    for turn, start in enumerate(range(0, len(batches), world)):
        place = start + (rank if turn % 2 == 0 else world - 1 - rank)
        if place < len(batches):
            dealt.append(batches[place])
    return dealt


def global_split(n: int, rank: int, world: int) -> range:
    """The contiguous share of `rank` in n things; sizes differ by at most one, the first ranks have the
    larger."""
    size, extra = divmod(n, world)
    start = rank * size + min(rank, extra)
    return range(start, start + size + (rank < extra))


def tokens_in(samples: Sequence[Sample]) -> int:
    """Masked tokens: the denominator of a token mean."""
    return sum(sum(s.mask) for s in samples)
