"""Attention of a flat batch: rows behind shared prefixes, each with its own tail, joined exactly.

A forward pass takes N tokens of many conversations as N batch rows of length one, so no matrix product sees padding.
A token attends to the one copy of its conversation's prefix and to its own row's tail; the two partial results are
joined by their log-sum-exp, which is exact (Hydragen, arXiv 2402.05099; cascade inference, FlashInfer).

Shapes: N tokens, H query heads, K key/value heads, G = H/K, D the head's size, P pages of PAGE tokens, R rows.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import KVCache, make_prompt_cache

from loop.compute.cpu import blocks
from loop.compute.cpu.cores import shared_among
from loop.compute.cpu.elementwise import exp, row_max, row_sum, slow_exp, swiglu
from loop.compute.layout import PAGE, ForwardPass, Group, RowGroup, TokenShare, causal
from loop.compute.pieces import Pieces, abreast, whole
from loop.compute.rotary import Rotations
from loop.student.engine import tails

FAMILIES: Final = ("llama", "qwen2", "qwen3")
"""Modules of mlx_lm.models whose attention is known to go through one function, with a cache that may step in."""


@dataclass(eq=False)
class Shelf:
    """Keys and values of many tails, in pages: [P, K, PAGE, D] each."""

    keys: mx.array
    values: mx.array

    def grow(self, pages: int) -> None:
        """Have so many pages. Costs a copy."""
        self.keys, self.values = _padded(self.keys, pages), _padded(self.values, pages)
        mx.eval(self.keys, self.values)

    def choose(self, pages: Sequence[int]) -> None:
        """Have these pages alone, in this order. Costs a copy."""
        chosen = mx.array(list(pages), dtype=mx.uint32)
        self.keys, self.values = self.keys[chosen], self.values[chosen]
        mx.eval(self.keys, self.values)

    def copy(self, page: int, other: int) -> None:
        """Copy what a page holds to another."""
        one = mx.array([page])  # chosen by an array: a slice would be a view, and writing beside it copy everything
        held = self.keys[one][0], self.values[one][0]
        mx.eval(held)
        self.keys[other], self.values[other] = held

    def write(self, spots: mx.array, keys: mx.array, values: mx.array) -> None:
        """Put keys and values, [N, K, 1, D], there. In place: nobody else holds these arrays."""
        self.keys, self.values = _written(self.keys, spots, keys), _written(self.values, spots, values)

    def by_head(self) -> tuple[mx.array, mx.array]:
        """Look at the heads of all pages, one behind the other: [P * K, PAGE, D]."""
        return self.keys.reshape(-1, *self.keys.shape[2:]), self.values.reshape(-1, *self.values.shape[2:])


class Layer:
    """One layer's keys and values. It takes the place of mlx-lm's cache in a model's forward pass."""

    def __init__(self, index: int, heads: int, size: int, dtype: mx.Dtype, streams: Sequence[mx.Stream] = ()) -> None:
        """Begin without any places; attention is shared out over the streams."""
        empty = mx.zeros((0, heads, PAGE, size), dtype)
        self.index, self.tails, self.streams = index, Shelf(empty, empty), streams
        self.shifted = not blocks.of_use(dtype)
        """Whether scores need not be near enough to nought for their exponentials."""
        self.logarithms: list[mx.array] = []
        """Of the sums of exponentials in this pass, [n, K, G, 1] each."""
        self.now: ForwardPass | None = None
        self.offset: mx.array | Rotations | None = None

    def enter(self, now: ForwardPass, offset: mx.array | Rotations) -> None:
        """Begin a pass. mlx-lm hands the offset to the rotary embedding: positions, [N], or what was made of them."""
        self.now, self.offset, self.logarithms = now, offset, []

    def make_mask(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - mlx-lm's signature
        """Say that the model need not make a mask: the pass knows what each token may see."""

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Write the new tokens' keys and values, [N, K, 1, D], into their rows' pages."""
        assert self.now is not None
        self.tails.write(self.now.spots, keys, values)
        return keys, values

    def attend(self, queries: mx.array, scale: float) -> mx.array:
        """Attend with every token of the pass: queries [N, H, 1, D] to outputs [N, H, 1, D]."""
        now = self.now
        assert now is not None
        count, heads, _, size = queries.shape
        grouped = (queries * scale).reshape(count, self.tails.keys.shape[1], -1, size)
        shares = [self._of_share(grouped[share.first : share.first + share.count], share) for share in now.shares]
        output = whole(shares[0]) if len(shares) == 1 else self._side_by_side(shares, grouped)
        return output.reshape(count, heads, 1, size)

    def _side_by_side(self, shares: Sequence[Pieces[mx.array]], queries: mx.array) -> mx.array:
        """Attend with all shares at once, a core each; what comes before has the matrix library's cores for itself."""
        mx.eval(queries, self.tails.keys, self.tails.values)
        with shared_among(self.streams):
            parts = abreast(list(zip(shares, self.streams, strict=False)))
            mx.eval(parts)
        return mx.concatenate(parts)

    def _of_share(self, queries: mx.array, share: TokenShare) -> Pieces[mx.array]:
        """Attend with some tokens of the pass: [n, K, G, D]."""
        output, weight = yield from self._own(queries, share)
        self.logarithms.append(weight)
        alone = share.groups[0].first if share.groups else share.count
        parts = [output[:alone]] if alone else []
        for group in share.groups:
            mine = slice(group.first, group.first + group.count)
            behind = self._behind(queries[mine], group)
            self.logarithms.append(behind[1])
            parts.append(_join((output[mine], weight[mine]), behind))
            yield (parts[-1],)
        return _together(parts)

    def _own(self, queries: mx.array, share: TokenShare) -> Pieces[tuple[mx.array, mx.array]]:
        """Attend with each token to its own row's tail: [n, K, G, D], and the log-sum-exp [n, K, G, 1]."""
        outputs, weights = [], []
        for run in share.runs:
            output, weight = self._of_run(_taken(queries, run.asking), run)
            yield output, weight
            outputs.append(output)
            weights.append(weight)
        return _taken(_together(outputs), share.of_run), _taken(_together(weights), share.of_run)

    def _of_run(self, queries: mx.array, run: RowGroup) -> tuple[mx.array, mx.array]:
        """Attend with as many tokens of each of R rows: [R * width, K, G, D]."""
        count, heads, each, size = queries.shape
        if count == run.rows:
            return tails.attend(queries, *self.tails.by_head(), run, shifted=self.shifted)
        by_head = queries.reshape(run.rows, -1, heads, each, size).swapaxes(1, 2).reshape(run.rows, heads, -1, size)
        parts = tails.attend(by_head, *self.tails.by_head(), run, shifted=self.shifted)
        apart = (part.reshape(run.rows, heads, -1, each, part.shape[-1]).swapaxes(1, 2) for part in parts)
        output, weight = (part.reshape(-1, heads, each, part.shape[-1]) for part in apart)
        return output, weight

    def _behind(self, queries: mx.array, group: Group) -> tuple[mx.array, mx.array]:
        """Attend with tokens of many rows, [n, K, G, D], to the prefix that they share: one product for all of them."""
        folded = queries.swapaxes(0, 1)
        heads, tokens, each, size = folded.shape
        parts = self._to_prefix(folded.reshape(heads, tokens * each, size), *group.prefix[self.index])
        output, weight = (part.reshape(heads, tokens, each, -1).swapaxes(0, 1) for part in parts)
        return output, weight

    def _to_prefix(self, queries: mx.array, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Attend with [K, n, D] to a prefix as `prefixes.py` lays it out: [K, n, D] and [K, n, 1]."""
        if not blocks.of_use(keys.dtype):
            return _softmax(queries, keys, values, None)
        if self.shifted:
            return blocks.attend_shifted(queries, keys, values)
        assert self.now is not None
        return blocks.attend(queries, keys, values, self.streams if len(self.now.shares) == 1 else ())


class SequenceReading(KVCache):  # type: ignore[misc]  # mlx-lm has no types
    """One layer's keys and values of a sequence that is read in parts, for a model that `install` prepared."""

    def attend(self, queries: mx.array, keys: mx.array, values: mx.array, scale: float) -> mx.array:
        """Attend with the last n of T tokens, [1, H, n, D], to all up to each: MLX's own way where that is fast."""
        if not slow_exp():
            return mx.fast.scaled_dot_product_attention(queries, keys, values, scale=scale, mask="causal")
        _, heads, count, size = queries.shape
        grouped = (queries[0] * scale).reshape(keys.shape[1], -1, count, size).swapaxes(1, 2)
        mask = causal(keys.shape[2] - count, count)
        output, _ = _softmax(grouped.reshape(keys.shape[1], -1, size), keys[0], values[0], mask[:, None])
        return output.reshape(keys.shape[1], count, -1, size).swapaxes(1, 2).reshape(1, heads, count, size)


def in_range(layers: Sequence[Layer], logits: mx.array | None) -> bool:
    """Whether every score of a pass was near enough to nought. Computes the pass, logits too, at once."""
    logarithms = [part for layer in layers for part in layer.logarithms if not layer.shifted]
    sound = blocks.in_range(logarithms) if logarithms else mx.array(True)
    mx.eval([sound] if logits is None else [sound, logits])
    return bool(sound.item())


def _together(parts: list[mx.array]) -> mx.array:
    return mx.concatenate(parts) if len(parts) > 1 else parts[0]


def _taken(array: mx.array, places: mx.array | None) -> mx.array:
    return array if places is None else array[places]


def _join(one: tuple[mx.array, mx.array], other: tuple[mx.array, mx.array]) -> mx.array:
    """Join what two parts of the keys gave, each in proportion to the exponentials that it summed."""
    share = mx.sigmoid(other[1] - one[1]).astype(one[0].dtype)
    return one[0] + (other[0] - one[0]) * share


def _written(array: mx.array, spots: mx.array, new: mx.array) -> mx.array:
    flat = array.reshape(-1, array.shape[-1])
    flat[spots] = new.reshape(-1, new.shape[-1])
    return flat.reshape(array.shape)


def _padded(array: mx.array, pages: int) -> mx.array:
    more = mx.zeros((pages - array.shape[0], *array.shape[1:]), array.dtype)
    return mx.concatenate([array, more])


def _softmax(queries: mx.array, keys: mx.array, values: mx.array, mask: mx.array | None) -> tuple[mx.array, mx.array]:
    """Attend, and give the log-sum-exp of the scores beside it: [..., n, D] and [..., n, 1]."""
    scores = (queries @ keys.swapaxes(-1, -2)).astype(mx.float32)
    if mask is not None:
        scores = tails.masked(scores, mask)
    highest = row_max(scores)
    weights = exp(scores - highest)
    total = row_sum(weights)
    return (weights.astype(values.dtype) @ values) / total.astype(values.dtype), highest + mx.log(total)


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
        if isinstance(cache, SequenceReading):
            return cache.attend(queries, keys, values, scale)
        return before(queries, keys, values, cache=cache, scale=scale, **rest)

    return attend
