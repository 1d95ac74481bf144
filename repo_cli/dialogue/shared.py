"""Sequences that begin alike, with the common beginning computed once: the two sides of a preference pair, the replies
of a GRPO group.

A family of sequences is one row: the common beginning, then the rest of each. Every rest counts its positions on from
the beginning and sees the beginning and itself, never another rest, so that each sequence gets exactly what it would
get alone. Where replies are short and contexts long this is most of the work of an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from repo_cli.dialogue.batches import pad_right
from repo_cli.dialogue.tokens import Sample

#: The rests of one row are together at most so many times as long as its beginning: attention is computed over the
#: whole square of a row, and with many long rests that would cost more than the beginning saves.
MOST_REST = 2.0


@dataclass
class SharedBatch:
    """Families of sequences, a family a row; "sequence" counts over all families in their order.

    ids, positions: [rows, time], int64. seen: bool [rows, 1, time, time], which token may look at which.
    ends: [sequences, 2], row and place of each sequence's last token.
    rows, states, targets: [masked tokens], sequence by sequence: the row and the place of the state that a masked token
    is predicted from, and the token's id. mask: float [sequences, longest sequence], where those tokens stand in their
    own sequence.
    """

    ids: Tensor
    positions: Tensor
    seen: Tensor
    ends: Tensor
    rows: Tensor
    states: Tensor
    targets: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> SharedBatch:
        return SharedBatch(*(getattr(self, f.name).to(device) for f in fields(self)))

    def __len__(self) -> int:
        return self.mask.shape[0]


def common_length(first: Sequence[int], *others: Sequence[int]) -> int:
    """How many leading ids all the sequences share."""
    length = min([len(first), *map(len, others)])
    for other in others:
        length = next((i for i in range(length) if first[i] != other[i]), length)
    return length


def row_length(family: Sequence[Sequence[int]]) -> int:
    """Tokens of a family's row: the common beginning once, and every rest."""
    common = common_length(*family)
    return common + sum(len(ids) - common for ids in family)


def families(samples: Sequence[Sample]) -> list[list[int]]:
    """Indices of samples with the same context (all before the first masked token) together, in the order in which the
    contexts come; a family is cut where its rests would outgrow the beginning (MOST_REST)."""
    by_context: dict[tuple[int, ...], list[list[int]]] = {}
    for index, sample in enumerate(samples):
        start = sample.mask.index(1) if 1 in sample.mask else len(sample.ids)
        parts = by_context.setdefault(tuple(sample.ids[:start]), [])
        rests = sum(len(samples[i].ids) - start for i in parts[-1]) if parts else 0
        if parts and rests + len(sample.ids) - start <= MOST_REST * start:
            parts[-1].append(index)
        else:
            parts.append([index])
    return [part for parts in by_context.values() for part in parts]


def collate_shared(groups: Sequence[Sequence[Sample]], pad_id: int) -> SharedBatch:
    """Each group of samples as one row that holds their common beginning once."""
    ids: list[list[int]] = []
    positions: list[list[int]] = []
    owners: list[list[int]] = []  # 0 = the beginning, k = the k-th sequence's own
    ends: list[tuple[int, int]] = []
    masked: list[tuple[int, int, int]] = []
    masks: list[list[int]] = []
    for row, group in enumerate(groups):
        common = common_length(*(sample.ids for sample in group))
        ids.append(list(group[0].ids[:common]))
        positions.append(list(range(common)))
        owners.append([0] * common)
        for number, sample in enumerate(group, start=1):
            start, length = len(ids[row]), len(sample.ids)
            places = [*range(common), *range(start, start + length - common)]
            ids[row] += sample.ids[common:]
            positions[row] += range(common, length)
            owners[row] += [number] * (length - common)
            ends.append((row, places[-1] if places else 0))
            mask = [0, *sample.mask[1:]]  # nothing predicts the first token
            masked += [(row, places[t - 1], sample.ids[t]) for t in range(length) if mask[t]]
            masks.append(mask)
    owner = pad_right(owners, -1)
    causal = torch.ones(owner.shape[1], owner.shape[1], dtype=torch.bool).tril()
    seen = causal & ((owner[:, None, :] == 0) | (owner[:, None, :] == owner[:, :, None]))
    found = torch.tensor(masked, dtype=torch.long).reshape(-1, 3)
    return SharedBatch(
        ids=pad_right(ids, pad_id),
        positions=pad_right(positions, 0),
        seen=seen[:, None],
        ends=torch.tensor(ends, dtype=torch.long).reshape(-1, 2),
        rows=found[:, 0],
        states=found[:, 1],
        targets=found[:, 2],
        mask=pad_right(masks, 0).float(),
    )
