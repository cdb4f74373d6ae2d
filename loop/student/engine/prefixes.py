"""Prefixes: the system prompt and catalogue that many conversations share, computed once and kept in one copy.

Each has its own arrays, and attention reads them where they lie: in blocks where `blocks.py` is faster, else exactly as
long as it is. The least recently used go when others need their room.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import mlx.core as mx

from loop.compute.cpu import blocks
from loop.compute.cpu.abreast import ParallelReader
from loop.compute.layout import Saved, Shape
from loop.student.engine.attention import SequenceReading
from loop.student.engine.stored import StoredPrefixes

WORTH: Final = 16
"""A beginning shared with another prefix is taken from it from so many tokens on."""


class Beginning(NamedTuple):
    """What names a prefix: its tokens, and the adapter that they are read with."""

    adapter: str
    tokens: tuple[int, ...]


@dataclass(eq=False)
class Prefix:
    """A prefix and its keys and values."""

    name: Beginning
    layers: Saved | None
    """None when it was dropped; tails that stood behind it still remember it."""
    users: int = 0
    """Rows that stand behind it now."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """What it holds."""
        return self.name.tokens


class Prefixes:
    """Prefixes by their tokens and adapters.

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
        self.reader = ParallelReader(model)
        self.shape, self.budget, self.stored = shape, budget, stored
        self.in_blocks = blocks.of_use(shape.dtype)
        self.computed = 0
        """Tokens that went through the model."""
        self.hits = 0
        self._kept: OrderedDict[Beginning, Prefix] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return self._bytes(self._kept)

    def nbytes_of(self, length: int) -> int:
        """Bytes of a prefix of so many tokens."""
        return blocks.nbytes_of(length, self.shape) if self.in_blocks else length * self.shape.token_bytes

    def needed(self, name: Beginning) -> int:
        """Bytes of the prefix and of those that rows stand behind."""
        return self._bytes({prefix.name for prefix in self._kept.values() if prefix.users} | {name})

    def keep(self, budget: int, name: Beginning) -> None:
        """Keep so many bytes from now on: those that rows stand behind in any case, and this one before others."""
        self.budget = budget
        if name in self._kept:
            self._kept.move_to_end(name)
        self._drop(room=0)

    def get(self, name: Beginning) -> Prefix:
        """Give the prefix, computing what no other prefix of its adapter begins with, as the model is now."""
        if name in self._kept:
            self.hits += 1
            self._kept.move_to_end(name)
        else:
            self._drop(room=self._bytes([name]))
            self._kept[name] = self._stored(name) or self._compute(name)
        return self._kept[name]

    def _stored(self, name: Beginning) -> Prefix | None:
        saved = self.stored.load(name.tokens, name.adapter) if self.stored else None
        return None if saved is None else Prefix(name, self._laid_out(saved))

    def _compute(self, name: Beginning) -> Prefix:
        began, tokens = time.perf_counter(), name.tokens
        caches, start = self._begin(name)
        self.reader.read(tokens[start:], caches)
        self.computed += len(tokens) - start
        saved = tuple(_own(cache, len(tokens)) for cache in caches)
        mx.eval(saved)
        if self.stored:
            seconds = (time.perf_counter() - began) * len(tokens) / (len(tokens) - start)
            self.stored.store(tokens, saved, seconds, name.adapter)
        return Prefix(name, self._laid_out(saved))

    def _begin(self, name: Beginning) -> tuple[list[SequenceReading], int]:
        caches, tokens = [SequenceReading() for _ in self.reader.model.layers], name.tokens
        near = (prefix for prefix in self._kept.values() if prefix.name.adapter == name.adapter)
        nearest = max(near, key=lambda prefix: common(prefix.tokens, tokens), default=None)
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

    def _bytes(self, prefixes: Iterable[Beginning]) -> int:
        return sum(self.nbytes_of(len(name.tokens)) for name in prefixes)

    def _drop(self, room: int) -> None:
        for name, prefix in list(self._kept.items()):
            if self.nbytes + room <= self.budget:
                return
            if not prefix.users:
                prefix.layers = None
                del self._kept[name]


def _own(cache: SequenceReading, length: int) -> tuple[mx.array, mx.array]:
    # Contiguous: the cache's arrays are longer than what they hold.
    return mx.contiguous(cache.keys[0, :, :length]), mx.contiguous(cache.values[0, :, :length])


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the leading tokens that two sequences share."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(index for index in range(length) if one[index] != other[index])
