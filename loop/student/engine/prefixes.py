"""Prefixes: the system prompt and catalogue that many conversations share, computed once and kept in one copy.

Each has its own arrays, and attention reads them where they lie: in blocks where `blocks.py` is faster, else exactly as
long as it is. The least recently used go when others need their room.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import mlx.core as mx

from loop.compute.cpu import blocks
from loop.compute.cpu.abreast import Reader
from loop.compute.layout import Saved, Shape
from loop.student.engine.attention import Reading
from loop.student.engine.stored import StoredPrefixes

WORTH: Final = 16
"""A beginning shared with another prefix is taken from it from so many tokens on."""


@dataclass(eq=False)
class Prefix:
    """A prefix and its keys and values."""

    tokens: tuple[int, ...]
    layers: Saved | None
    """None when it was dropped; tails that stood behind it still remember it."""
    users: int = 0
    """Rows that stand behind it now."""


class Prefixes:
    """Prefixes by their tokens.

    Args:
        model: an mlx-lm model.
        shape: of what it keeps of a token.
        budget: bytes of all prefixes, to begin with.
        stored: those on disk, if any are kept there.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - mlx-lm's
        shape: Shape,
        budget: int,
        stored: StoredPrefixes | None = None,
    ) -> None:
        self.reader = Reader(model)
        self.shape, self.budget, self.stored = shape, budget, stored
        self.in_blocks = blocks.of_use(shape.dtype)
        self.computed = 0
        """Tokens that went through the model."""
        self.hits = 0
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return self._bytes(self._kept)

    def nbytes_of(self, length: int) -> int:
        """Bytes of a prefix of so many tokens."""
        return blocks.nbytes_of(length, self.shape) if self.in_blocks else length * self.shape.token_bytes

    def needed(self, tokens: tuple[int, ...]) -> int:
        """Bytes of the prefix and of those that rows stand behind."""
        return self._bytes({prefix.tokens for prefix in self._kept.values() if prefix.users} | {tokens})

    def keep(self, budget: int, tokens: tuple[int, ...]) -> None:
        """Keep so many bytes from now on: those that rows stand behind in any case, and this one before others."""
        self.budget = budget
        if tokens in self._kept:
            self._kept.move_to_end(tokens)
        self._drop(room=0)

    def get(self, tokens: tuple[int, ...]) -> Prefix:
        """Give the prefix, computing what no other prefix begins with."""
        if tokens in self._kept:
            self.hits += 1
            self._kept.move_to_end(tokens)
        else:
            self._drop(room=self._bytes([tokens]))
            self._kept[tokens] = self._stored(tokens) or self._compute(tokens)
        return self._kept[tokens]

    def _stored(self, tokens: tuple[int, ...]) -> Prefix | None:
        saved = self.stored.load(tokens) if self.stored else None
        return None if saved is None else Prefix(tokens, self._laid_out(saved))

    def _compute(self, tokens: tuple[int, ...]) -> Prefix:
        began = time.perf_counter()
        caches, start = self._begin(tokens)
        self.reader.read(tokens[start:], caches)
        self.computed += len(tokens) - start
        saved = tuple(_own(cache, len(tokens)) for cache in caches)
        mx.eval(saved)
        if self.stored:
            self.stored.store(tokens, saved, (time.perf_counter() - began) * len(tokens) / (len(tokens) - start))
        return Prefix(tokens, self._laid_out(saved))

    def _begin(self, tokens: tuple[int, ...]) -> tuple[list[Reading], int]:
        caches = [Reading() for _ in self.reader.model.layers]
        nearest = max(self._kept.values(), key=lambda prefix: common(prefix.tokens, tokens), default=None)
        shared = min(common(nearest.tokens, tokens), len(tokens) - 1) if nearest else 0
        if nearest is None or shared < WORTH:
            return caches, 0
        assert nearest.layers is not None
        for cache, layer in zip(caches, nearest.layers, strict=True):
            keys, values = blocks.beginning(*layer, shared) if self.in_blocks else layer
            cache.update_and_fetch(keys[None, :, :shared], values[None, :, :shared])
        return caches, shared

    def _laid_out(self, saved: Saved) -> Saved:
        """Lay keys and values out as a decoding step reads them."""
        laid = tuple(blocks.laid_out(*layer) for layer in saved) if self.in_blocks else saved
        mx.eval(laid)
        return laid

    def _bytes(self, prefixes: Iterable[tuple[int, ...]]) -> int:
        return sum(self.nbytes_of(len(tokens)) for tokens in prefixes)

    def _drop(self, room: int) -> None:
        for tokens, prefix in list(self._kept.items()):
            if self.nbytes + room <= self.budget:
                return
            if not prefix.users:
                prefix.layers = None
                del self._kept[tokens]


def _own(cache: Reading, length: int) -> tuple[mx.array, mx.array]:
    # Contiguous: the cache's arrays are longer than what they hold.
    return mx.contiguous(cache.keys[0, :, :length]), mx.contiguous(cache.values[0, :, :length])


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the leading tokens that two sequences share."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(index for index in range(length) if one[index] != other[index])
