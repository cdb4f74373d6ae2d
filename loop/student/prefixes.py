"""Prefixes: the system prompt and catalogue that many conversations share, computed once and kept in one copy.

A prefix that rows are using lies in a slot of the rack, where attention reads it; the others lie outside, and the
least recently used are dropped.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import mlx.core as mx

from loop.student.attention import Reading
from loop.student.rack import Rack, Saved
from loop.student.stored import StoredPrefixes

STEP: Final = 512
"""Tokens of a prefix that are computed at a time."""
WORTH: Final = 16
"""A beginning shared with another prefix is taken from it from so many tokens on."""


@dataclass(eq=False)
class Prefix:
    """A prefix, in a slot or outside."""

    tokens: tuple[int, ...]
    saved: Saved | None
    slot: int | None = None
    users: int = 0
    """Rows that stand behind it now."""


class Prefixes:
    """Prefixes by their tokens.

    Args:
        model: an mlx-lm model.
        rack: where those in use lie.
        max_slots: how many can be in use at once.
        budget: bytes of those outside.
        stored: those on disk, if any are kept there.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - mlx-lm's
        rack: Rack,
        max_slots: int,
        budget: int,
        stored: StoredPrefixes | None = None,
    ) -> None:
        self.model, self.rack, self.max_slots, self.budget, self.stored = model, rack, max_slots, budget, stored
        self.computed = 0
        """Tokens that went through the model."""
        self.hits = 0
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values, inside and outside the rack."""
        return self.rack.nbytes + self._outside()

    def find(self, tokens: tuple[int, ...]) -> Prefix | None:
        """Give the prefix if it was computed."""
        return self._kept.get(tokens)

    def get(self, tokens: tuple[int, ...]) -> Prefix:
        """Give the prefix, computing what no other prefix begins with."""
        if tokens in self._kept:
            self.hits += 1
            self._kept.move_to_end(tokens)
        else:
            self._drop(room=len(tokens) * self.rack.token_bytes)
            self._kept[tokens] = self._stored(tokens) or self._compute(tokens)
        return self._kept[tokens]

    def enter(self, prefix: Prefix) -> None:
        """Make sure that the prefix is in a slot: one more row stands behind it."""
        prefix.users += 1
        if prefix.slot is not None:
            return
        assert prefix.saved is not None
        prefix.slot = self._free(len(prefix.tokens))
        self.rack.reserve(prefix.slot + 1, len(prefix.tokens))
        self.rack.load(prefix.slot, prefix.saved, len(prefix.tokens))
        prefix.saved = None
        self._drop()

    def leave(self, prefix: Prefix) -> None:
        """One row fewer stands behind it. It stays in its slot until somebody needs that."""
        prefix.users -= 1

    def empty(self) -> None:
        """Move every prefix that is not in use out of the rack, and give the rack's memory back if it is empty then."""
        for prefix in self._inside():
            if not prefix.users:
                self._move_out(prefix)
        if not self._inside():
            self.rack.clear()
        self._drop()

    def _inside(self) -> list[Prefix]:
        return [prefix for prefix in self._kept.values() if prefix.slot is not None]

    def _free(self, length: int) -> int:
        used = {prefix.slot for prefix in self._inside()}
        most = min(self.max_slots, self.rack.room(length))
        free = next((slot for slot in range(most) if slot not in used), None)
        if free is not None:
            return free
        return self._move_out(next(prefix for prefix in self._inside() if not prefix.users))

    def _move_out(self, prefix: Prefix) -> int:
        assert prefix.slot is not None
        slot, prefix.slot = prefix.slot, None
        prefix.saved = self.rack.save(slot, len(prefix.tokens))
        return slot

    def _stored(self, tokens: tuple[int, ...]) -> Prefix | None:
        saved = self.stored.load(tokens) if self.stored else None
        return None if saved is None else Prefix(tokens, saved)

    def _compute(self, tokens: tuple[int, ...]) -> Prefix:
        began = time.perf_counter()
        caches, start = self._begin(tokens)
        for first in range(start, len(tokens), STEP):
            self.model.model(mx.array([tokens[first : first + STEP]]), cache=caches)
            mx.eval([(cache.keys, cache.values) for cache in caches])
        self.computed += len(tokens) - start
        saved = tuple(_own(cache, len(tokens)) for cache in caches)
        mx.eval(saved)
        if self.stored:
            self.stored.store(tokens, saved, (time.perf_counter() - began) * len(tokens) / (len(tokens) - start))
        return Prefix(tokens, saved)

    def _begin(self, tokens: tuple[int, ...]) -> tuple[list[Reading], int]:
        caches = [Reading() for _ in self.model.layers]
        nearest = max(self._kept.values(), key=lambda prefix: common(prefix.tokens, tokens), default=None)
        shared = min(common(nearest.tokens, tokens), len(tokens) - 1) if nearest else 0
        if nearest is None or shared < WORTH:
            return caches, 0
        layers = nearest.saved if nearest.slot is None else self.rack.save(nearest.slot, shared)
        assert layers is not None
        for cache, (keys, values) in zip(caches, layers, strict=True):
            cache.update_and_fetch(keys[None, :, :shared], values[None, :, :shared])
        return caches, shared

    def _outside(self) -> int:
        return sum(len(prefix.tokens) for prefix in self._kept.values() if prefix.slot is None) * self.rack.token_bytes

    def _drop(self, room: int = 0) -> None:
        for tokens, prefix in list(self._kept.items()):
            if self._outside() + room <= self.budget:
                return
            if prefix.slot is None:
                prefix.saved = None  # tails that stood behind it remember it
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
