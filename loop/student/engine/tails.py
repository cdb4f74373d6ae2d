"""Attention of rows to their own tails, a page at a time, where the pages lie; then summed over each row's pages.

Shapes: R rows of m queries a head, K key/value heads, D the head's size, n pages that are asked, of PAGE tokens each;
keys and values of all pages, head by head, [P * K, PAGE, D].
"""

import mlx.core as mx

from loop.compute.cpu.elementwise import HIGHEST, exp, row_max, row_sum
from loop.compute.layout import PAGE, RowGroup


def attend(
    queries: mx.array, keys: mx.array, values: mx.array, run: RowGroup, *, shifted: bool
) -> tuple[mx.array, mx.array]:
    """Attend with [R, K, m, D]: [R, K, m, D], and the logarithm of the sum of exponentials, [R, K, m, 1].

    Exponentials are those of the scores as they are, and the result holds where `blocks.in_range` says so of the
    logarithms; with `shifted` they are those of the distances from a row's largest, and it holds in any case.
    """
    _, heads, count, size = queries.shape
    asking = queries.reshape(-1, count, size)
    scores = _products(asking, keys.swapaxes(-1, -2), run.of_row, run.pages).astype(mx.float32)
    scores = masked(scores.reshape(-1, heads, count, PAGE), run.mask)
    top = _highest(scores, run) if shifted else None
    weights = exp(mx.minimum(scores, HIGHEST) if top is None else scores - top[run.row])
    given = _products(weights.reshape(-1, count, PAGE).astype(values.dtype), values, None, run.pages)
    output, total = (_summed(part, run.sums, (heads, count)) for part in (given, row_sum(weights)))
    logarithm = mx.log(total) if top is None else mx.log(total) + top
    return (output / total).astype(values.dtype), logarithm


def _highest(scores: mx.array, run: RowGroup) -> mx.array:
    """Give the largest score of each row, over its pages: [n, K, m, PAGE] to [R, K, m, 1]."""
    return (row_max(scores)[run.of_page] + run.missing).max(axis=1)


def _summed(part: mx.array, sums: mx.array, inner: tuple[int, int]) -> mx.array:
    """Sum what pages gave, n times [K, m, ...], to their rows: [R, K, m, ...]."""
    return (sums @ part.reshape(sums.shape[1], -1).astype(mx.float32)).reshape(-1, *inner, part.shape[-1])


def _products(one: mx.array, other: mx.array, of_one: mx.array | None, of_other: mx.array) -> mx.array:
    """Multiply matrices that are chosen from [a, m, x] and [b, x, y]; without copies where MLX can: [n, m, y]."""
    if one.dtype == mx.float32 or mx.default_device().type == mx.DeviceType.gpu:
        return mx.gather_mm(one, other, of_one, of_other)
    return (one if of_one is None else one[of_one]) @ other[of_other]


def masked(scores: mx.array, mask: mx.array) -> mx.array:
    """Add a mask, [..., n, 1, T], to the scores of all heads that meet the same keys, [..., n * G, T]."""
    *outer, _, places = scores.shape
    return (scores.reshape(*outer, mask.shape[-3], -1, places) + mask).reshape(scores.shape)
