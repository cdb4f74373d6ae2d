"""The rows' own keys and values: one slot a row, in buffers that all layers lay out alike."""

from collections.abc import Sequence
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from loop.student.attention import Pass, Tails
from loop.student.prefixes import Prefix

PLACES: Final = 128
"""Capacity grows by so many tokens a row."""
Layers = tuple[tuple[mx.array, mx.array], ...]
"""Keys and values of one row, [K, n, D] a layer."""


class Slots:
    """Every layer's tails, and moving a row's part of them in and out."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - any mlx-lm model
        probe = _shape(model)
        self.layers = [Tails(probe.shape[0], probe.shape[2], probe.dtype) for _ in model.layers]
        self.token_bytes = 2 * len(self.layers) * probe.shape[0] * probe.shape[2] * probe.dtype.size
        """Bytes of one token's keys and values."""
        self.slots = 0
        self.places = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self.slots * self.places * self.token_bytes

    def grown(self, slots: int, places: int) -> tuple[int, int]:
        """Say what the buffers' shape would be with room for so many rows of so many tokens."""
        return max(slots, self.slots), max(-(-places // PLACES) * PLACES, self.places)

    def reserve(self, slots: int, places: int) -> None:
        """Make room for so many rows of so many tokens."""
        grown = self.grown(slots, places)
        if grown == (self.slots, self.places):
            return
        self.slots, self.places = grown
        for layer in self.layers:
            layer.reserve(*grown)
            mx.eval(layer.keys, layer.values)  # layer by layer: two copies of one layer at a time, not of all

    def clear(self) -> None:
        """Give the buffers' memory back. Whatever rows held is gone."""
        self.slots = self.places = 0
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[:0, :, :0], layer.values[:0, :, :0]
            mx.eval(layer.keys, layer.values)

    def save(self, slot: int, length: int) -> Layers:
        """Copy a row's first tokens out. Contiguous at once: a lazy slice would keep the whole buffer alive."""
        parts = [(layer.keys[slot, :, :length], layer.values[slot, :, :length]) for layer in self.layers]
        saved = tuple((mx.contiguous(keys), mx.contiguous(values)) for keys, values in parts)
        mx.eval(saved)
        return saved

    def load(self, slot: int, saved: Layers, length: int) -> None:
        """Copy saved tokens into a row."""
        for layer, (keys, values) in zip(self.layers, saved, strict=True):
            layer.keys[slot, :, :length] = keys[:, :length]
            layer.values[slot, :, :length] = values[:, :length]

    def enter(self, now: Pass, prefixes: Sequence[Prefix]) -> None:
        """Tell every layer what the coming forward pass is about."""
        for index, layer in enumerate(self.layers):
            layer.now = now
            layer.prefixes = [prefix.layers[index] for prefix in prefixes]


def _shape(model: Any) -> mx.array:  # noqa: ANN401 - any mlx-lm model
    """Learn the shape [K, 1, D] and type of one token's keys from the model itself."""
    caches = make_prompt_cache(model)
    model.model(mx.array([[0]]), cache=caches)
    return caches[0].keys[0]
