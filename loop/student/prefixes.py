"""Prefixes: the system prompt and catalogue that many conversations share, computed once and kept in one copy."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import KVCache

STEP: Final = 512
"""Tokens of a prefix that are computed at a time."""
WORTH: Final = 16
"""A beginning shared with another prefix is taken from it from so many tokens on."""


@dataclass(eq=False)
class Prefix:
    """Keys and values of a prefix, [K, P, D] a layer."""

    tokens: tuple[int, ...]
    layers: tuple[tuple[mx.array, mx.array], ...]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return sum(int(keys.nbytes + values.nbytes) for keys, values in self.layers)


class Prefixes:
    """Prefixes by their tokens, the least recently used dropped beyond `budget` bytes."""

    def __init__(self, model: Any, budget: int) -> None:  # noqa: ANN401 - any mlx-lm model
        self.model = model
        self.budget = budget
        self.computed = 0
        """Tokens that went through the model."""
        self.hits = 0
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all that are kept."""
        return sum(prefix.nbytes for prefix in self._kept.values())

    def get(self, tokens: tuple[int, ...]) -> Prefix:
        """Give the prefix, computing what no other prefix begins with."""
        if tokens in self._kept:
            self.hits += 1
            self._kept.move_to_end(tokens)
            return self._kept[tokens]
        prefix = self._compute(tokens)
        self._kept[tokens] = prefix
        self._drop()
        return prefix

    def _compute(self, tokens: tuple[int, ...]) -> Prefix:
        caches, start = self._begin(tokens)
        for first in range(start, len(tokens), STEP):
            self.model.model(mx.array([tokens[first : first + STEP]]), cache=caches)
            mx.eval([(cache.keys, cache.values) for cache in caches])
        self.computed += len(tokens) - start
        layers = tuple(_own(cache, len(tokens)) for cache in caches)
        mx.eval(layers)
        return Prefix(tokens, layers)

    def _begin(self, tokens: tuple[int, ...]) -> tuple[list[KVCache], int]:
        caches = [KVCache() for _ in self.model.layers]
        nearest = max(self._kept.values(), key=lambda prefix: common(prefix.tokens, tokens), default=None)
        shared = min(common(nearest.tokens, tokens), len(tokens) - 1) if nearest else 0
        if nearest is None or shared < WORTH:
            return caches, 0
        for cache, (keys, values) in zip(caches, nearest.layers, strict=True):
            cache.update_and_fetch(keys[None, :, :shared], values[None, :, :shared])
        return caches, shared

    def _drop(self) -> None:
        while self.nbytes > self.budget and len(self._kept) > 1:
            self._kept.popitem(last=False)


def _own(cache: KVCache, length: int) -> tuple[mx.array, mx.array]:
    # Contiguous: the cache's arrays are longer than what they hold.
    return mx.contiguous(cache.keys[0, :, :length]), mx.contiguous(cache.values[0, :, :length])


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the leading tokens that two sequences share."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(index for index in range(length) if one[index] != other[index])
