"""Attention of a flat batch: rows behind shared prefixes, each with its own tail, joined exactly.

A forward pass takes N tokens of many conversations as N batch rows of length one, so no matrix product sees padding.
A token attends to the one copy of its conversation's prefix and to its own row's tail; the two partial results are
joined by their log-sum-exp, which is exact (Hydragen, arXiv 2402.05099; cascade inference, FlashInfer).

Shapes: N tokens, H query heads, K key/value heads, G = H/K, D the head's size, P a prefix's length, S slots, T the
tails' capacity.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import KVCache, make_prompt_cache

FAMILIES: Final = ("llama", "qwen2", "qwen3")
"""Modules of mlx_lm.models whose attention is known to go through one function, with a cache that may step in."""
NOTHING: Final = -1e30
"""A score that no softmax sees."""


@dataclass(frozen=True)
class Chunk:
    """New tokens of one row that are computed together: places `start` to `start + length` of its tail."""

    first: int
    """Index of the chunk's first token in the flat batch."""
    length: int
    slot: int
    start: int


@dataclass(frozen=True)
class Group:
    """Tokens that stand behind the same prefix: `first` to `last` of the flat batch in prefix order."""

    prefix: int
    """Index into the pass's prefixes; -1 where there is none."""
    first: int
    last: int


@dataclass(frozen=True)
class Pass:
    """What all layers of one forward pass share. The first `singles` tokens are one a row, the rest are chunks."""

    positions: mx.array
    """[N] positions in the conversation, for the rotary embedding."""
    slots: mx.array
    """[N] the token's row."""
    places: mx.array
    """[N] its place in the row's tail."""
    singles: int
    single_of_slot: mx.array | None
    """[S'] the flat index that each slot's query comes from; any, where the slot has none."""
    visible: mx.array | None
    """[S', 1, 1, T'] which places of a tail a single token may see."""
    chunks: tuple[Chunk, ...]
    groups: tuple[Group, ...]
    order: mx.array | None
    """[N] flat indices in prefix order; None where they are in order."""
    back: mx.array | None
    reach: int
    """T': how far the longest tail of the pass reaches."""


class Tails:
    """One layer's keys and values: every row's tail in a slot, and the prefixes of the present pass.

    It takes the place of mlx-lm's cache in a model's forward pass.
    """

    def __init__(self, heads: int, size: int, dtype: mx.Dtype) -> None:
        self.keys = mx.zeros((0, heads, 0, size), dtype)
        self.values = mx.zeros((0, heads, 0, size), dtype)
        self.now: Pass | None = None
        self.prefixes: Sequence[tuple[mx.array, mx.array]] = ()

    @property
    def offset(self) -> mx.array:
        """Positions of the pass's tokens, [N], as the rotary embedding wants them."""
        assert self.now is not None
        return self.now.positions

    def make_mask(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - mlx-lm's signature
        """Say that the model need not make a mask: the pass knows what each token may see."""

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Write the new tokens' keys and values, [N, K, 1, D], into their slots. In place: nobody else holds these."""
        assert self.now is not None
        self.keys[self.now.slots, :, self.now.places] = keys[:, :, 0]
        self.values[self.now.slots, :, self.now.places] = values[:, :, 0]
        return self.keys, self.values

    def reserve(self, slots: int, places: int) -> None:
        """Make room for so many rows of so many tokens. Costs a copy."""
        self.keys = _padded(self.keys, slots, places)
        self.values = _padded(self.values, slots, places)

    def attend(self, queries: mx.array, scale: float) -> mx.array:
        """Attend with every token of the pass: queries [N, H, 1, D] to outputs [N, H, 1, D]."""
        assert self.now is not None
        count, heads, _, size = queries.shape
        grouped = (queries * scale).reshape(count, self.keys.shape[1], -1, size)
        own, weight = self._tails(grouped, self.now)
        if self.prefixes:
            shared, shared_weight = self._shared(grouped, self.now)
            share = mx.sigmoid(shared_weight - weight)
            own = own + (shared - own) * share.astype(own.dtype)
        return own.reshape(count, heads, 1, size)

    def _tails(self, queries: mx.array, now: Pass) -> tuple[mx.array, mx.array]:
        parts = [self._singles(queries, now)] if now.singles else []
        parts += [self._chunk(queries, chunk) for chunk in now.chunks]
        return _joined(parts)

    def _singles(self, queries: mx.array, now: Pass) -> tuple[mx.array, mx.array]:
        assert now.single_of_slot is not None
        slots = now.single_of_slot.shape[0]
        keys, values = self.keys[:slots, :, : now.reach], self.values[:slots, :, : now.reach]
        output, weight = _softmax(queries[now.single_of_slot], keys, values, now.visible)
        mine = now.slots[: now.singles]
        return output[mine], weight[mine]

    def _chunk(self, queries: mx.array, chunk: Chunk) -> tuple[mx.array, mx.array]:
        end = chunk.start + chunk.length
        mine = _fold(queries[chunk.first : chunk.first + chunk.length])
        causal = mx.arange(chunk.start, end)[:, None] >= mx.arange(end)[None]
        keys, values = self.keys[chunk.slot, :, :end], self.values[chunk.slot, :, :end]
        visible = mx.repeat(causal, queries.shape[2], axis=0)[None]
        output, weight = _softmax(mine, keys, values, visible)
        return _unfold(output, chunk.length), _unfold(weight, chunk.length)

    def _shared(self, queries: mx.array, now: Pass) -> tuple[mx.array, mx.array]:
        sorted_queries = queries if now.order is None else queries[now.order]
        output, weight = _joined([self._behind(sorted_queries, group) for group in now.groups])
        return (output, weight) if now.back is None else (output[now.back], weight[now.back])

    def _behind(self, queries: mx.array, group: Group) -> tuple[mx.array, mx.array]:
        mine = queries[group.first : group.last]
        if group.prefix < 0:
            return mx.zeros_like(mine), mx.full((*mine.shape[:-1], 1), NOTHING)
        keys, values = self.prefixes[group.prefix]
        output, weight = _softmax(_fold(mine), keys, values, None)
        return _unfold(output, group.last - group.first), _unfold(weight, group.last - group.first)


def _softmax(
    queries: mx.array, keys: mx.array, values: mx.array, visible: mx.array | None
) -> tuple[mx.array, mx.array]:
    """Attend, and give the log-sum-exp of the scores beside it: [..., n, D] and [..., n, 1]."""
    scores = (queries @ keys.swapaxes(-1, -2)).astype(mx.float32)
    if visible is not None:
        scores = mx.where(visible, scores, NOTHING)
    weight = mx.logsumexp(scores, axis=-1, keepdims=True)
    return mx.softmax(scores, axis=-1).astype(values.dtype) @ values, weight


def _fold(queries: mx.array) -> mx.array:
    """[n, K, G, D] to [K, n*G, D]: one matrix product a key/value head."""
    return queries.swapaxes(0, 1).reshape(queries.shape[1], -1, queries.shape[-1])


def _unfold(folded: mx.array, count: int) -> mx.array:
    return folded.reshape(folded.shape[0], count, -1, folded.shape[-1]).swapaxes(0, 1)


def _joined(parts: Sequence[tuple[mx.array, mx.array]]) -> tuple[mx.array, mx.array]:
    if len(parts) == 1:
        return parts[0]
    return mx.concatenate([part[0] for part in parts]), mx.concatenate([part[1] for part in parts])


def _padded(array: mx.array, slots: int, places: int) -> mx.array:
    have, heads, length, size = array.shape
    wider = mx.zeros((max(slots, have), heads, max(places, length), size), array.dtype)
    if have and length:
        wider[:have, :, :length] = array
    return wider


def order(prefixes: Sequence[int]) -> tuple[tuple[Group, ...], mx.array | None, mx.array | None]:
    """Sort a pass's tokens by prefix, given each token's: the groups, the order, and the way back."""
    which = np.asarray(prefixes)
    by_prefix = np.argsort(which, kind="stable")
    kinds, starts = np.unique(which[by_prefix], return_index=True)
    ends = [*starts[1:].tolist(), len(which)]
    groups = tuple(Group(int(kind), int(first), last) for kind, first, last in zip(kinds, starts, ends, strict=True))
    if (np.diff(by_prefix) == 1).all():
        return groups, None, None
    return groups, mx.array(by_prefix), mx.array(np.argsort(by_prefix))


def known(model: Any) -> bool:  # noqa: ANN401 - any mlx-lm model
    """Whether the model is of a family that this attention fits, with full attention in every layer."""
    module = type(model).__module__.removeprefix("mlx_lm.models.")
    return module in FAMILIES and all(type(cache) is KVCache for cache in make_prompt_cache(model))


def install(model: Any) -> None:  # noqa: ANN401 - any mlx-lm model
    """Let the model's attention ask our cache, where it gets one. Other caches go on as before."""
    module = sys.modules[type(model).__module__]
    if not hasattr(module, "_before_loopd"):
        module._before_loopd = module.scaled_dot_product_attention  # type: ignore[attr-defined]  # noqa: SLF001 - our mark
        module.scaled_dot_product_attention = _dispatch(module)  # type: ignore[attr-defined]  # found by this name


def _dispatch(module: ModuleType) -> Any:  # noqa: ANN401 - mlx-lm's signature
    before = module._before_loopd  # noqa: SLF001 - our mark

    def attend(queries: mx.array, keys: mx.array, values: mx.array, cache: Any, scale: float, **rest: Any) -> Any:  # noqa: ANN401
        if isinstance(cache, Tails):
            return cache.attend(queries, scale)
        return before(queries, keys, values, cache=cache, scale=scale, **rest)

    return attend
