"""`policy.attn=blocks`: causal attention in blocks of queries, for CPUs and short sequences.

transformers' own `eager` computes the whole [time, time] square in float32 and then throws the upper half away. Here
each block of queries meets only the keys that it may see, the softmax stays in the dtype of the scores (its sums are
float32 inside), as in fused kernels, and heads that share a key are one matrix product instead of copies of the key.
The backward pass is written out: left to autograd, it would mask again what is 0 already, and make a whole gradient of
the keys for each block. `benchmarks/attention.py` measures it against `eager` and `sdpa`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
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
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention of `query` [batch, heads, time, head_dim] over `key`, `value` [batch, kv heads, keys, head_dim].

    attention_mask: bool [batch or 1, 1, time, keys], True = may be seen; None = causal when there is more than one
    query, everything when there is one (a decoding step). A query that may see nothing gets the mean of all values,
    as in `eager`: such rows are padding, and nothing reads them. Returns [batch, time, heads, head_dim].
    """
    if dropout and module.training:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **more
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    length, keys = query.shape[2], key.shape[2]
    causal = attention_mask is None and length > 1 and is_causal is not False
    square = causal or (attention_mask is not None and length == keys and is_causal is not False)
    # norms and rotary embedding may have left float32 behind under autocast; the products run in the values' dtype
    query, key = (query * scale).to(value.dtype), key.to(value.dtype)
    return BlocksAttention.apply(query, key, value, attention_mask, causal, square), None


class BlocksAttention(torch.autograd.Function):
    """softmax(query key^T, masked) value; shapes as in `blocks_attention`, the scale is in the query already.

    causal: each query sees the keys up to its own place (the last query the last key). square: nor does the mask show
    later ones. Gradients for query, key and value.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, square: bool
    ) -> Tensor:
        batch, heads, length, width = query.shape
        shared, keys = (
            key.shape[1],
            key.shape[2],
        )  # heads of keys, each of which several heads of queries share
        rows = query.reshape(batch * shared, heads // shared, length, width)
        key, value = (x.reshape(batch * shared, keys, width) for x in (key, value))
        out = value.new_empty(batch, length, heads, width)
        kept = []
        for start, end, seen in _blocks(length, keys, square):
            scores = torch.bmm(_flat(rows[:, :, start:end]), key[:, :seen].transpose(1, 2))
            shaped = scores.view(batch, shared, -1, end - start, seen)
            least = torch.finfo(scores.dtype).min
            if causal:
                future = torch.ones(end - start, end - start, dtype=torch.bool, device=scores.device).triu(1)
                shaped[..., seen - (end - start) :].masked_fill_(future, least)
            elif mask is not None:
                shaped.masked_fill_(~mask[:, :, None, start:end, :seen], least)
            weights = torch.softmax(scores, dim=-1)
            parts = torch.bmm(weights, value[:, :seen]).view(batch, shared, -1, end - start, width)
            out[:, start:end] = parts.permute(0, 3, 1, 2, 4).flatten(2, 3)
            if any(ctx.needs_input_grad):
                kept.append(weights)
        if kept:
            ctx.save_for_backward(rows, key, value, *kept)
            ctx.square = square
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, key, value, *kept = ctx.saved_tensors
        batch, length, heads, width = grad.shape
        groups, times, keys = rows.shape[0], rows.shape[1], key.shape[1]
        shared = heads // times
        grad = grad.view(batch, length, shared, times, width).permute(0, 2, 3, 1, 4)
        grad = grad.reshape(groups, times, length, width)
        for_rows = torch.empty_like(rows)
        for_key, for_value = torch.zeros_like(key), torch.zeros_like(value)
        for weights, (start, end, seen) in zip(kept, _blocks(length, keys, ctx.square), strict=True):
            mine = _flat(grad[:, :, start:end])
            for_value[:, :seen] += torch.bmm(weights.transpose(1, 2), mine)
            scores = torch.ops.aten._softmax_backward_data(
                torch.bmm(mine, value[:, :seen].transpose(1, 2)), weights, -1, weights.dtype
            )
            for_rows[:, :, start:end] = torch.bmm(scores, key[:, :seen]).view(groups, times, -1, width)
            for_key[:, :seen] += torch.bmm(scores.transpose(1, 2), _flat(rows[:, :, start:end]))
        shape = (batch, shared, keys, width)
        return (
            for_rows.view(batch, heads, length, width),
            for_key.view(shape),
            for_value.view(shape),
            *[None] * 3,
        )


def _blocks(length: int, keys: int, square: bool) -> Iterator[tuple[int, int, int]]:
    """(first query, the one after the last, how many keys are looked at) of each block; keys - length are cached."""
    for start in range(0, length, BLOCK):
        end = min(length, start + BLOCK)
        yield start, end, keys - length + end if square else keys


def _flat(rows: Tensor) -> Tensor:
    """[groups, heads of a group, time, width] -> [groups, heads x time, width]."""
    return rows.reshape(rows.shape[0], -1, rows.shape[-1])


def register() -> None:
    """Make `attn_implementation="blocks"` known to transformers."""
    AttentionInterface.register(NAME, blocks_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
