"""Preference pairs as micro-batches: both sides of a pair go through the model together."""

from __future__ import annotations

from collections.abc import Sequence

from repo_cli.dialogue.batches import rank_micro_batches
from repo_cli.dialogue.checks import PairSample
from repo_cli.dialogue.shared import row_length
from repo_cli.models.backbone import Backbone
from repo_cli.training.distributed import rank, world_size


def pair_micros(backbone: Backbone, pairs: Sequence[PairSample], micro_tokens: int) -> list[list[int]]:
    """This rank's micro-batches of a global batch of pairs, as indices; together the ranks have each once.

    A pair counts as many tokens as it takes: its context once where the attention kernel allows that.
    """
    lengths = [
        row_length((p.chosen.ids, p.rejected.ids))
        if backbone.shares_contexts
        else 2 * max(len(p.chosen.ids), len(p.rejected.ids))
        for p in pairs
    ]
    return rank_micro_batches(lengths, micro_tokens, rank(), world_size())
