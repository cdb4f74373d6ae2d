"""Attention of a flat batch: rows behind shared prefixes, each with its own tail, joined exactly.

A forward pass takes N tokens of many conversations as N batch rows of length one, so no matrix product sees padding.
A token attends to the one copy of its conversation's prefix and to its own row's tail; the two partial results are
joined by their log-sum-exp, which is exact (Hydragen, arXiv 2402.05099; cascade inference, FlashInfer).

Shapes: N tokens, H query heads, K key/value heads, G = H/K, D the head's size, S slots, T places in a slot.
"""

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import KVCache, make_prompt_cache

from loop.student.layout import PIECE, Chunk, Group, Pass, causal
from loop.training.elementwise import exp, row_max, row_sum, slow_exp, swiglu

FAMILIES: Final = ("llama", "qwen2", "qwen3")
"""Modules of mlx_lm.models whose attention is known to go through one function, with a cache that may step in."""


@dataclass(eq=False)
class Shelf:
    """Keys and values of many sequences: [S, K, T, D] each."""

    keys: mx.array
    values: mx.array

    def reserve(self, slots: int, places: int) -> None:
        """Make room for so many sequences of so many tokens. Costs a copy."""
        self.keys, self.values = _padded(self.keys, slots, places), _padded(self.values, slots, places)
        mx.eval(self.keys, self.values)

    def part(self, low: int, high: int, places: int) -> tuple[mx.array, mx.array]:
        """Look at the first places of some slots: [high - low, K, places, D]."""
        return self.keys[low:high, :, :places], self.values[low:high, :, :places]

    def one(self, slot: int, places: int) -> tuple[mx.array, mx.array]:
        """Look at the beginning of one slot: [K, places, D]."""
        return self.keys[slot, :, :places], self.values[slot, :, :places]


class Layer:
    """One layer's keys and values. It takes the place of mlx-lm's cache in a model's forward pass."""

    def __init__(self, index: int, heads: int, size: int, dtype: mx.Dtype) -> None:
        empty = mx.zeros((0, heads, 0, size), dtype)
        self.index, self.tails = index, Shelf(empty, empty)
        self.now: Pass | None = None

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
        self.tails.keys[self.now.slots, :, self.now.places] = keys[:, :, 0]
        self.tails.values[self.now.slots, :, self.now.places] = values[:, :, 0]
        return keys, values

    def attend(self, queries: mx.array, scale: float) -> mx.array:
        """Attend with every token of the pass: queries [N, H, 1, D] to outputs [N, H, 1, D]."""
        now = self.now
        assert now is not None
        count, heads, _, size = queries.shape
        grouped = (queries * scale).reshape(count, self.tails.keys.shape[1], -1, size)
        parts = [self._singles(grouped[: now.singles], now)] if now.singles else []
        parts += [self._chunk(grouped[chunk.first : chunk.first + chunk.length], chunk) for chunk in now.chunks]
        return _together(parts).reshape(count, heads, 1, size)

    def _singles(self, queries: mx.array, now: Pass) -> mx.array:
        """One token a row, all rows at once: [n, K, G, D]."""
        own = self._own(queries, now)
        if not now.groups:
            return own[0]
        alone = now.groups[0].first
        parts = [own[0][:alone]] if alone else []
        parts += [self._behind(queries, own, group) for group in now.groups]
        return _together(parts)

    def _own(self, queries: mx.array, now: Pass) -> tuple[mx.array, mx.array]:
        """Attend with each row's token to its own tail."""
        outputs, weights = [], []
        for run in now.runs:
            keys, values = self.tails.part(run.low, run.high, run.reach)
            output, weight = _pieces(_taken(queries, run.of_slot), keys, values, run.mask)
            outputs.append(output)
            weights.append(weight)
        return _taken(_together(outputs), now.of_run), _taken(_together(weights), now.of_run)

    def _behind(self, queries: mx.array, own: tuple[mx.array, mx.array], group: Group) -> mx.array:
        """Join what rows saw of themselves with the prefix that they share: one matrix product for all of them."""
        mine = slice(group.first, group.first + group.count)
        folded = queries[mine].swapaxes(0, 1)
        heads, rows, each, size = folded.shape
        output, weight = _softmax(folded.reshape(heads, rows * each, size), *group.prefix[self.index], None)
        behind = (part.reshape(heads, rows, each, -1).swapaxes(0, 1) for part in (output, weight))
        return _join((own[0][mine], own[1][mine]), (next(behind), next(behind)))

    def _chunk(self, queries: mx.array, chunk: Chunk) -> mx.array:
        """Many tokens of one row: [n, K, G, D]."""
        mine = queries.transpose(1, 2, 0, 3)
        joined = _softmax(mine, *_by_head(*self.tails.one(chunk.slot, chunk.start + chunk.length)), chunk.mask)
        output = joined[0]
        if chunk.prefix is not None:
            output = _join(joined, _softmax(mine, *_by_head(*chunk.prefix[self.index]), None))
        return output.transpose(2, 0, 1, 3)


class Reading(KVCache):  # type: ignore[misc]  # mlx-lm has no types
    """One layer's keys and values of a sequence that is read in parts, for a model that `install` prepared."""

    def attend(self, queries: mx.array, keys: mx.array, values: mx.array, scale: float) -> mx.array:
        """Attend with the last n of T tokens, [1, H, n, D], to all up to each: MLX's own way where that is fast."""
        if not slow_exp():
            return mx.fast.scaled_dot_product_attention(queries, keys, values, scale=scale, mask="causal")
        _, heads, count, size = queries.shape
        grouped = (queries[0] * scale).reshape(keys.shape[1], -1, count, size)
        mask = causal(keys.shape[2] - count, count)
        return _softmax(grouped, *_by_head(keys[0], values[0]), mask)[0].reshape(1, heads, count, size)


def _together(parts: list[mx.array]) -> mx.array:
    return mx.concatenate(parts) if len(parts) > 1 else parts[0]


def _taken(array: mx.array, places: mx.array | None) -> mx.array:
    return array if places is None else array[places]


def _by_head(keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
    """Let the query heads of a group, [K, G, ...], meet the same keys and values, [K, T, D]."""
    return keys[:, None], values[:, None]


def _softmax(queries: mx.array, keys: mx.array, values: mx.array, mask: mx.array | None) -> tuple[mx.array, mx.array]:
    """Attend, and give the log-sum-exp of the scores beside it: [..., n, D] and [..., n, 1]."""
    scores = (queries @ keys.swapaxes(-1, -2)).astype(mx.float32)
    if mask is not None:
        scores = scores + mask
    highest = row_max(scores)
    weights = exp(scores - highest)
    total = row_sum(weights)
    return (weights.astype(values.dtype) @ values) / total.astype(values.dtype), highest + mx.log(total)


def _pieces(queries: mx.array, keys: mx.array, values: mx.array, mask: mx.array) -> tuple[mx.array, mx.array]:
    """Attend with [S, K, G, D] to [S, K, T, D], T in whole pieces, each piece for itself where that is faster.

    OpenBLAS multiplies three queries by 512 keys in three times the time that it takes for four times 128.
    """
    slots, heads, places, size = keys.shape
    if places == PIECE or not slow_exp():
        return _softmax(queries, keys, values, mask)
    cut = (slots, heads, places // PIECE, PIECE, size)
    each = mask.reshape(slots, 1, -1, 1, PIECE)
    outputs, weights = _softmax(queries[:, :, None], keys.reshape(cut), values.reshape(cut), each)
    highest = weights.max(axis=2)
    shares = exp(weights - highest[:, :, None])
    total = shares.sum(axis=2)
    return (outputs * shares).sum(axis=2) / total, highest + mx.log(total)


def _join(one: tuple[mx.array, mx.array], other: tuple[mx.array, mx.array]) -> mx.array:
    """Join what two parts of the keys gave, each in proportion to the exponentials that it summed."""
    share = mx.sigmoid(other[1] - one[1]).astype(one[0].dtype)
    return one[0] + (other[0] - one[0]) * share


def _padded(array: mx.array, slots: int, places: int) -> mx.array:
    have, heads, length, size = array.shape
    wider = mx.zeros((max(slots, have), heads, max(places, length), size), array.dtype)
    if have and length:
        wider[:have, :, :length] = array
    return wider


def known(model: Any) -> bool:  # noqa: ANN401 - any mlx-lm model
    """Whether the model is of a family that this attention fits, with full attention in every layer."""
    module = type(model).__module__.removeprefix("mlx_lm.models.")
    return module in FAMILIES and all(type(cache) is KVCache for cache in make_prompt_cache(model))


def install(model: Any) -> None:  # noqa: ANN401 - any mlx-lm model
    """Let the model's attention ask our cache, where it gets one. Other caches go on as before."""
    module = sys.modules[type(model).__module__]
    if slow_exp() and hasattr(module, "swiglu"):
        module.swiglu = swiglu  # type: ignore[attr-defined]  # found by this name
    if not hasattr(module, "_before_loopd"):
        module._before_loopd = module.scaled_dot_product_attention  # type: ignore[attr-defined]  # noqa: SLF001 - our mark
        module.scaled_dot_product_attention = _dispatch(module)  # type: ignore[attr-defined]  # found by this name


def _dispatch(module: ModuleType) -> Any:  # noqa: ANN401 - mlx-lm's signature
    before = module._before_loopd  # noqa: SLF001 - our mark

    def attend(queries: mx.array, keys: mx.array, values: mx.array, cache: Any, scale: float, **rest: Any) -> Any:  # noqa: ANN401
        if isinstance(cache, Layer):
            return cache.attend(queries, scale)
        if isinstance(cache, Reading):
            return cache.attend(queries, keys, values, scale)
        return before(queries, keys, values, cache=cache, scale=scale, **rest)

    return attend
