"""Attention over a packed forest of segments: a token sees its own segment up to itself, and the segments above.

Keys and values of a shared segment are computed once and read by every row below it; nothing is copied per row.
The softmax over "above" and "own" is one softmax, taken in two pieces. The backward pass is written out: it computes
the probabilities again instead of keeping them, because they are the largest thing in memory (heads x tokens x keys).
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from loop.compute.cpu.elementwise import exp, row_max, row_sum
from loop.compute.pieces import Pieces, whole
from loop.training.prefix_tree import Segment

Array = mx.array
Triple = tuple[Array, Array, Array]
MASKED = -1e30


class Forest:
    """The segments of one micro-batch, and attention over them.

    Queries are (kv heads, group, N, width) and scaled, keys and values (kv heads, N, width), N packed tokens.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        """Prepare for one micro-batch."""
        self.segments = tuple(segments)
        self.parents = frozenset(segment.parent for segment in segments if segment.parent >= 0)
        longest = max(segment.stop - segment.start for segment in segments)
        self.causal = mx.where(mx.tri(longest, longest, dtype=mx.bool_), 0.0, MASKED)

    def __call__(self, queries: Array, keys: Array, values: Array) -> Array:
        """Attend under automatic differentiation; returns the shape of `queries`."""
        function: Any = mx.custom_function(lambda *seen: whole(self.forward(*seen)))
        function.vjp(lambda primals, cotangents, results: whole(self.backward(primals, cotangents[0], results)))
        output: Array = function(queries, keys, values)[0]
        return output

    def _above(self, keys: Array) -> dict[int, Array]:
        """Stand the keys of every path from a root to a parent behind each other, without a copy where they do."""
        paths: dict[int, Array] = {}
        for number, segment in enumerate(self.segments):
            if number not in self.parents:
                continue
            if segment.start == segment.depth:
                paths[number] = keys[:, : segment.stop]
            else:
                own = keys[:, segment.start : segment.stop]
                paths[number] = own if segment.parent < 0 else mx.concatenate([paths[segment.parent], own], axis=1)
        return paths

    def _scores(self, query: Array, above: Array | None, own: Array) -> tuple[Array | None, Array]:
        """Score one segment's queries against the keys above and against its own, the later ones masked."""
        heads, group, count, width = query.shape
        flat = query.reshape(heads, group * count, width)
        inner = (flat @ own.swapaxes(1, 2)).astype(mx.float32).reshape(heads, group, count, count)
        inner = (inner + self.causal[:count, :count]).reshape(heads, group * count, count)
        return (None if above is None else (flat @ above.swapaxes(1, 2)).astype(mx.float32)), inner

    def forward(self, queries: Array, keys: Array, values: Array) -> Pieces[Triple]:
        """Return the output, and per token the largest score and the sum of exponentials."""
        above_keys, above_values = self._above(keys), self._above(values)
        outputs, tops, totals = [], [], []
        for segment in self.segments:
            here = slice(segment.start, segment.stop)
            query = queries[:, :, here]
            outer, inner = self._scores(query, above_keys.get(segment.parent), keys[:, here])
            top = row_max(inner)
            if outer is not None:
                top = mx.maximum(top, row_max(outer))
            yield (top,)
            p = exp(inner - top)
            total, output = row_sum(p), p.astype(values.dtype) @ values[:, here]
            if outer is not None:
                p = exp(outer - top)
                total = total + row_sum(p)
                output = output + p.astype(values.dtype) @ above_values[segment.parent]
            outputs.append((output / total).astype(values.dtype).reshape(query.shape))
            yield outputs[-1], total
            tops.append(top.reshape(*query.shape[:3], 1))
            totals.append(total.reshape(*query.shape[:3], 1))
        return mx.concatenate(outputs, axis=2), mx.concatenate(tops, axis=2), mx.concatenate(totals, axis=2)

    def backward(self, primals: Sequence[Array], gradient: Array, results: Sequence[Array]) -> Pieces[Triple]:
        """Go back through the segments, last first, so that what a parent owes its children is known in time."""
        queries, keys, values = primals
        output, top, total = results
        above_keys, above_values = self._above(keys), self._above(values)
        gradient = gradient / total
        inner_product = (gradient * output).sum(axis=-1, keepdims=True)
        owed_keys: dict[int, Array] = {}
        owed_values: dict[int, Array] = {}
        d_queries: list[Array] = []
        d_keys: list[Array] = []
        d_values: list[Array] = []
        for number in reversed(range(len(self.segments))):
            segment = self.segments[number]
            here = slice(segment.start, segment.stop)
            heads, group, count, width = queries[:, :, here].shape

            def flat(array: Array, here: slice = here, shape: tuple[int, int] = (heads, group * count)) -> Array:
                return array[:, :, here].reshape(*shape, -1)

            query, g = flat(queries), flat(gradient)
            tops, products = flat(top), flat(inner_product)
            outer, inner = self._scores(queries[:, :, here], above_keys.get(segment.parent), keys[:, here])
            p = exp(inner - tops)
            ds = _score_gradient(p, g @ values[:, here].swapaxes(1, 2), products)
            yield p, ds
            d_query = ds @ keys[:, here]
            d_key, d_value = ds.swapaxes(1, 2) @ query, p.swapaxes(1, 2) @ g
            if number in owed_keys:
                d_key = d_key + owed_keys[number][:, -count:]
                d_value = d_value + owed_values[number][:, -count:]
            yield d_query, d_key, d_value
            if outer is not None:
                parent = segment.parent
                p = exp(outer - tops)
                ds = _score_gradient(p, g @ above_values[parent].swapaxes(1, 2), products)
                yield p, ds
                d_query = d_query + ds @ above_keys[parent]
                _owe(owed_keys, parent, ds.swapaxes(1, 2) @ query)
                _owe(owed_values, parent, p.swapaxes(1, 2) @ g)
                if number in owed_keys:
                    _owe(owed_keys, parent, owed_keys[number][:, :-count])
                    _owe(owed_values, parent, owed_values[number][:, :-count])
                yield d_query, owed_keys[parent], owed_values[parent]
            d_queries.append(d_query.reshape(heads, group, count, width))
            d_keys.append(d_key)
            d_values.append(d_value)
        return (
            mx.concatenate(d_queries[::-1], axis=2),
            mx.concatenate(d_keys[::-1], axis=1),
            mx.concatenate(d_values[::-1], axis=1),
        )


@mx.compile
def _score_gradient(p: Array, dp: Array, product: Array) -> Array:
    return p * (dp - product)


def _owe(owed: dict[int, Array], number: int, gradient: Array) -> None:
    owed[number] = owed[number] + gradient if number in owed else gradient
