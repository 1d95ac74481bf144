"""`policy.attn=blocks`: causal attention in blocks of queries, for CPUs and short sequences.

transformers' own `eager` computes the whole [time, time] square in float32 and then throws the upper half away. Here
each block of queries meets only the keys that it may see, and the softmax stays in the dtype of the scores (its sums
are float32 inside), as in fused kernels. `benchmarks/attention.py` measures it against `eager` and `sdpa`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME = "blocks"
BLOCK = 192  # queries in one block: smaller ones save little more and cost a launch each


def blocks_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of `query` [batch, heads, time, head_dim] over `key`, `value` [batch, kv heads, keys, head_dim].

    attention_mask: bool [batch or 1, 1, time, keys], True = may be seen; None = causal when there is more than one
    query, everything when there is one (a decoding step). A query that may see nothing gets the mean of all values,
    as in `eager`: such rows are padding, and nothing reads them. Returns [batch, time, heads, head_dim].
    """
    times = query.shape[1] // key.shape[1]
    if times > 1:
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # norms and rotary embedding may have left float32 behind under autocast; the products run in the values' dtype
    query, key = (query * scale).to(value.dtype), key.to(value.dtype)
    length, keys = query.shape[2], key.shape[2]
    causal = attention_mask is None and length > 1 and is_causal is not False
    before = keys - length  # keys in the cache, which every query may see
    square = causal or (attention_mask is not None and length == keys and is_causal is not False)
    parts = []
    for start in range(0, length, BLOCK):
        end = min(length, start + BLOCK)
        seen = before + end if square else keys
        scores = query[:, :, start:end] @ key[:, :, :seen].transpose(-1, -2)
        if causal:
            future = torch.ones(end - start, seen, dtype=torch.bool, device=scores.device).triu(
                before + start + 1
            )
            scores = scores.masked_fill(future, torch.finfo(scores.dtype).min)
        elif attention_mask is not None:
            unseen = ~attention_mask[:, :, start:end, :seen]
            scores = scores.masked_fill(unseen, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1)
        if dropout:
            weights = nn.functional.dropout(weights, p=dropout, training=module.training)
        parts.append(weights @ value[:, :, :seen])
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def register() -> None:
    """Make `attn_implementation="blocks"` known to transformers."""
    AttentionInterface.register(NAME, blocks_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
