"""A key-value cache with room to grow, for the local generation engine.

transformers' DynamicCache makes a new tensor for every token, and under autocast its float32 keys are converted anew
each time they are read. Here a layer's tensors are made once with room for the whole reply, in the dtype that the
attention computes in, and each token is written into its place. The contexts of a batch may be read a few rows at a
time (`row_parts`), so that the passes over them need little memory and little padding, while the decoding has all rows
at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

LEAST = 2048  # tokens from which a pass is as fast for each of them as a larger one
PADDED = 1.1  # padded tokens for each real one that a pass may have where it need not
ROUND = 64  # lengths are multiples of this, so that memory is asked for in few sizes


class Store:
    """The memory of caches that are in use one after another; tensors of ever new sizes leave a heap in shreds."""

    def __init__(self) -> None:
        self.flat: list[Tensor] = []

    def take(self, place: int, shape: tuple[int, ...], like: Tensor, dtype: torch.dtype) -> Tensor:
        """A tensor of this shape in the memory of that place; what was taken from there before is overwritten."""
        size = math.prod(shape)
        while len(self.flat) <= place:
            self.flat.append(like.new_empty(0, dtype=dtype))
        found = self.flat[place]
        if len(found) < size or found.dtype != dtype or found.device != like.device:
            self.flat[place] = found = like.new_empty(0)  # the old memory goes before the new is asked for
            self.flat[place] = found = like.new_empty(size, dtype=dtype)
        return found[:size].view(shape)


class RoomyLayer(DynamicLayer):
    """A DynamicLayer whose `keys` and `values` [batch, heads, time, head_dim] are views into roomier tensors.

    wide: while decoding the attention gets those tensors whole, free room and all, and a mask that hides the room.
    A CPU multiplies them as they are; of a view it makes a copy first, at every token and of another size each time.
    """

    def __init__(self, room: int, dtype: torch.dtype | None, store: Store, place: int, wide: bool) -> None:
        super().__init__()
        self.room, self.kept_as, self.store, self.place, self.wide = room, dtype, store, place, wide
        self.used = 0
        self.whole: list[Tensor] = []
        self.rows_of: tuple[RoomyLayer, int, int, slice] | None = None

    def part(self, total: int, time: int, rows: slice) -> RoomyLayer:
        """A layer for some rows of a batch of `total` rows of `time` tokens, which writes into this one's tensors.

        What it is given may be shorter than `time`: it stands at the right end then, behind zeros.
        """
        made = RoomyLayer(self.room, self.kept_as, self.store, self.place, self.wide)
        made.rows_of = (self, total, time, rows)
        return made

    def _begin(self, states: tuple[Tensor, Tensor], total: int, new: int) -> None:
        self.lazy_initialization(*states)
        if self.rows_of is None:
            self.whole = [self._empty(k, one, total, new + self.room) for k, one in enumerate(states)]
            return
        whole, total, time, rows = self.rows_of
        if not whole.is_initialized:
            whole._begin(states, total, time)
            whole.used = time
            whole._show()
        for tensor in whole.whole:
            tensor[rows, :, : time - new] = 0  # masked, yet a number: nothing times NaN is NaN
        self.whole = [tensor[rows, :, time - new :] for tensor in whole.whole]

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        new = key_states.shape[-2]
        if not self.is_initialized:
            self._begin((key_states, value_states), len(key_states), new)
        if self.used + new > self.whole[0].shape[-2]:
            raise RuntimeError(f"the cache has room for {self.room} tokens after the contexts, not for more")
        for tensor, states in zip(self.whole, (key_states, value_states), strict=True):
            tensor[:, :, self.used : self.used + new] = states
        self.used += new
        keys, values = self._show()
        if self.wide and self.used > new:
            return self.whole[0], self.whole[1]  # the mask hides the free room
        return keys, values

    def get_seq_length(self) -> int:
        return self.used

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return (self.whole[0].shape[-2] if self.wide and self.used else self.used + query_length), 0

    def _empty(self, which: int, like: Tensor, batch: int, time: int) -> Tensor:
        _, heads, _, width = like.shape
        shape = (batch, heads, time + -time % ROUND, width)
        made = self.store.take(2 * self.place + which, shape, like, self.kept_as or like.dtype)
        if self.wide:  # what the mask hides is multiplied by 0, and 0 times NaN is NaN
            made[:, :, time - self.room :] = 0
        return made

    def _show(self) -> tuple[Tensor, Tensor]:
        self.keys, self.values = (tensor[:, :, : self.used] for tensor in self.whole)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        if not self.is_initialized:
            return
        for tensor in self.whole:
            tensor[: len(indices), :, : self.used] = tensor[:, :, : self.used][indices]
        self.whole = [tensor[: len(indices)] for tensor in self.whole]
        self._show()


def roomy_cache(
    config: Any, room: int, dtype: torch.dtype | None, store: Store | None = None, wide: bool = False
) -> DynamicCache:
    """A DynamicCache for a model of this configuration; layers of full attention get `room` for that many more tokens.

    dtype: what keys and values are stored in; None = as they come. store: memory of an earlier cache, which ends
    there. wide: for attention kernels that take a mask, see RoomyLayer.
    """
    cache = DynamicCache(config=config)
    store = store or Store()
    cache.layers = [
        RoomyLayer(room, dtype, store, place, wide) if type(layer) is DynamicLayer else layer
        for place, layer in enumerate(cache.layers)
    ]
    return cache


def takes_parts(cache: DynamicCache) -> bool:
    return all(isinstance(layer, RoomyLayer) for layer in cache.layers)


def row_parts(
    cache: DynamicCache, parts: list[tuple[slice, int]], total: int
) -> Iterator[tuple[slice, int, DynamicCache]]:
    """The named parts of the contexts (rows, padded tokens of each), with a cache that fills those rows of `cache`.

    total: rows that the cache gets; those after the contexts are left free, for `batch_select_indices` to fill. All
    contexts at once, padded to the longest, where a layer is of another kind than RoomyLayer.
    """
    count, longest = parts[-1][0].stop, max(time for _, time in parts)
    if (len(parts) == 1 and count == total) or not takes_parts(cache):
        yield slice(0, count), longest, cache
        return
    for rows, time in parts:
        part = DynamicCache()
        part.layers = [
            layer.part(total, longest, rows) for layer in cache.layers if isinstance(layer, RoomyLayer)
        ]
        yield rows, time, part


def even_parts(lengths: list[int], tokens: int) -> list[tuple[slice, int]]:
    """Contexts cut into parts of equally many rows, each padded to the longest of all: at most `tokens` in a part."""
    longest = max(lengths)
    rows = max(1, tokens // longest)
    return [(slice(at, min(len(lengths), at + rows)), longest) for at in range(0, len(lengths), rows)]


def close_parts(lengths: list[int], tokens: int) -> list[tuple[slice, int]]:
    """Contexts (lengths ascending) cut into parts of like length, each padded to its own longest: at most `tokens` in a
    part, and little padding (PADDED) where a part is large enough without (LEAST)."""
    cuts, start, real = [], 0, 0
    for end, length in enumerate(lengths):
        padded = length * (end + 1 - start)
        wasteful = padded > PADDED * (real + length) and lengths[end - 1] * (end - start) >= LEAST
        if end > start and (padded > tokens or wasteful):
            cuts.append((slice(start, end), lengths[end - 1]))
            start, real = end, 0
        real += length
    return [*cuts, (slice(start, len(lengths)), lengths[-1])]
