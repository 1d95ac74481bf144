"""A key-value cache with room to grow, for the local generation engine.

transformers' DynamicCache makes a new tensor for every token, and under autocast its float32 keys are converted anew
each time they are read. Here a layer's tensors are made once with room for the whole reply, in the dtype that the
attention computes in, and each token is written into its place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """A DynamicLayer whose `keys` and `values` [batch, heads, time, head_dim] are views into roomier tensors."""

    def __init__(self, room: int, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.room, self.store = room, dtype

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        new = key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.used = 0
            self.whole = [self._empty(states, new + self.room) for states in (key_states, value_states)]
        elif self.used + new > self.whole[0].shape[-2]:
            grown = [self._empty(old, self.used + new + self.room) for old in self.whole]
            for old, larger in zip(self.whole, grown, strict=True):
                larger[:, :, : self.used] = old[:, :, : self.used]
            self.whole = grown
        for tensor, states in zip(self.whole, (key_states, value_states), strict=True):
            tensor[:, :, self.used : self.used + new] = states
        self.used += new
        return self._show()

    def _empty(self, like: Tensor, time: int) -> Tensor:
        batch, heads, _, width = like.shape
        return like.new_empty(batch, heads, time, width, dtype=self.store or like.dtype)

    def _show(self) -> tuple[Tensor, Tensor]:
        self.keys, self.values = (tensor[:, :, : self.used] for tensor in self.whole)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        if self.is_initialized:
            self.whole = [tensor[indices] for tensor in self.whole]
            self._show()


def roomy_cache(config: Any, room: int, dtype: torch.dtype | None) -> DynamicCache:
    """A DynamicCache for a model of this configuration; layers of full attention get `room` for that many more tokens.

    dtype: what keys and values are stored in; None = as they come."""
    cache = DynamicCache(config=config)
    cache.layers = [
        RoomyLayer(room, dtype) if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache
