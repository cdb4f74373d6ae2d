"""The same slot of every layer's shelf, as one thing: reserve, copy in, copy out."""

from collections.abc import Sequence

import mlx.core as mx

from loop.student.attention import Shelf
from loop.student.layout import Saved, whole


class Rack:
    """All layers' shelves, within `budget` bytes, which whoever divides the memory may change."""

    def __init__(self, shelves: Sequence[Shelf], token_bytes: int, budget: int) -> None:
        self.shelves, self.token_bytes, self.budget = shelves, token_bytes, budget
        self.slots = 0
        self.places = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self.nbytes_of(self.slots, self.places)

    def nbytes_of(self, slots: int, places: int) -> int:
        """Bytes of so many sequences of so many tokens."""
        return slots * whole(places) * self.token_bytes

    def fits(self, slots: int, places: int) -> bool:
        """Say whether the buffers may grow to so many sequences of so many tokens."""
        return self.nbytes_of(*self.grown(slots, places)) <= self.budget

    def room(self, places: int) -> int:
        """Count the slots that there can be with so many tokens each."""
        return self.budget // self.nbytes_of(1, self.grown(0, places)[1])

    def grown(self, slots: int, places: int) -> tuple[int, int]:
        """Say how large the buffers will be when there is room for so many sequences of so many tokens."""
        return max(slots, self.slots), max(whole(places), self.places)

    def reserve(self, slots: int, places: int) -> None:
        """Make room for so many sequences of so many tokens."""
        grown = self.grown(slots, places)
        if grown == (self.slots, self.places):
            return
        self.slots, self.places = grown
        for shelf in self.shelves:  # one after the other: two copies of one layer at a time, not of all
            shelf.reserve(*grown)

    def clear(self) -> None:
        """Give the buffers' memory back. What they held is gone."""
        self.slots = self.places = 0
        for shelf in self.shelves:
            shelf.keys = mx.zeros((0, shelf.keys.shape[1], 0, shelf.keys.shape[3]), shelf.keys.dtype)
            shelf.values = shelf.keys

    def save(self, slot: int, length: int) -> Saved:
        """Copy a slot's first tokens out. Contiguous at once: a lazy slice would keep the whole buffer alive."""
        saved = tuple((mx.contiguous(keys), mx.contiguous(values)) for keys, values in self._look(slot, length))
        mx.eval(saved)
        return saved

    def _look(self, slot: int, length: int) -> list[tuple[mx.array, mx.array]]:
        return [shelf.one(slot, length) for shelf in self.shelves]

    def load(self, slot: int, saved: Saved, length: int) -> None:
        """Copy saved tokens into a slot that `reserve` made."""
        for shelf, (keys, values) in zip(self.shelves, saved, strict=True):
            shelf.keys[slot, :, :length] = keys[:, :length]
            shelf.values[slot, :, :length] = values[:, :length]
