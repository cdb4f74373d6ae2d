"""Attention to a prefix in blocks of its keys, some of them on each core: for float32 on MLX's CPU backend on Linux.

OpenBLAS packs what it multiplies anew in every product, and calls its threads, unless the product is small. A block's
products are, so each core computes its own. Values have a column of ones: the product with them sums the exponentials
as well.

The exponentials are those of the scores as they are, not of their distances from the largest, which nobody has to look
for then. Their sums say afterwards whether that was right (`in_range`).

Shapes: n queries, K key/value heads, D the head's size, B blocks of `BLOCK` keys.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import mlx.core as mx
import numpy as np

from loop.compute.cpu.cores import on, packs_little
from loop.compute.cpu.elementwise import HIGHEST, exp, row_max, slow_exp
from loop.compute.layout import Shape

BLOCK: Final = 128
"""Keys of a block."""
SMALL: Final = {True: 10**6, False: 2**18}
"""Multiplications of a product up to which OpenBLAS does not pack, where it does not always, and else those up to which
it does not call its threads."""
WORTH: Final = 2**14
"""Scores a head from which it is worth to attend on several cores."""
FARTHEST: Final = 60.0
"""A sum of exponentials between exp(-60) and exp(60) is right: a score above 88 would make it larger, and those below
-87, which count as that, are less than float32 resolves of it."""


def small() -> int:
    """Say how many multiplications a product on one core should have at most."""
    return SMALL[packs_little()]


def of_use(dtype: mx.Dtype) -> bool:
    """Whether prefixes of such numbers are read in blocks on this machine."""
    return dtype == mx.float32 and slow_exp()


def laid_out(keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
    """Cut keys and values, [K, T, D] each, into blocks: [K, B, D, BLOCK] and [K, B, BLOCK, D + 1].

    The last block is filled up with the last key again, whose values, and one, are noughts.
    """
    heads, length, size = keys.shape
    blocks, missing = blocks_of(length), -length % BLOCK
    more = mx.broadcast_to(keys[:, -1:], (heads, missing, size))
    counted = mx.concatenate([values, mx.ones((heads, length, 1), values.dtype)], axis=-1)
    filled = mx.pad(counted, [(0, 0), (0, missing), (0, 0)])
    by_block = mx.concatenate([keys, more], axis=1).reshape(heads, blocks, BLOCK, size)
    return mx.contiguous(by_block.swapaxes(2, 3)), filled.reshape(heads, blocks, BLOCK, size + 1)


def beginning(keys: mx.array, values: mx.array, length: int) -> tuple[mx.array, mx.array]:
    """Give the first keys and values back as they were: [K, length, D] each."""
    heads, _, size, _ = keys.shape
    whole = keys.swapaxes(2, 3).reshape(heads, -1, size), values[..., :size].reshape(heads, -1, size)
    return whole[0][:, :length], whole[1][:, :length]


def blocks_of(length: int) -> int:
    """Count the blocks that so many keys take."""
    return -(-length // BLOCK)


def nbytes_of(length: int, shape: Shape) -> int:
    """Bytes of so many tokens in blocks."""
    ones = shape.layers * shape.heads * shape.dtype.size
    return blocks_of(length) * BLOCK * (shape.token_bytes + ones)


def attend(
    queries: mx.array, keys: mx.array, values: mx.array, streams: Sequence[mx.Stream]
) -> tuple[mx.array, mx.array]:
    """Attend with [K, n, D] to a prefix in blocks: [K, n, D], and the logarithm of the sum, [K, n, 1].

    The result holds where `in_range` says so of the logarithms.
    """
    asking = _chunks(queries)
    halves = list(_halves(asking.shape[1] * asking.shape[3], keys.shape[1], streams))
    sums = []
    for low, high, stream in halves:
        with on(stream):
            sums.append(_summed(asking, keys[:, low:high], values[:, low:high]))
    return _parted(sum(sums[1:], sums[0]), None, queries.shape[1])


def attend_shifted(queries: mx.array, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
    """Attend as `attend` does, whatever the scores are: each from its query's largest."""
    asking = _chunks(queries)
    scores = asking @ keys[:, None]
    highest = row_max(scores).max(axis=2, keepdims=True)
    sums = (exp(scores - highest) @ values[:, None]).sum(axis=2)
    return _parted(sums, highest[:, :, 0], queries.shape[1])


def in_range(logarithms: Sequence[mx.array]) -> mx.array:
    """Whether sums of exponentials with these logarithms are right. They are not where a logarithm is no number.

    Args:
        logarithms: arrays of one shape, but for the first axis.
    """
    return mx.all(mx.abs(mx.concatenate(list(logarithms))) <= FARTHEST)


def _chunks(queries: mx.array) -> mx.array:
    """Deal the queries into as few equal chunks as are small enough: [K, chunks, 1, m, D], noughts behind the last."""
    heads, count, size = queries.shape
    chunks = -(-count // (small() // (BLOCK * (size + 1))))
    missing = -count % chunks
    filled = mx.pad(queries, [(0, 0), (0, missing), (0, 0)]) if missing else queries
    return filled.reshape(heads, chunks, 1, -1, size)


def _halves(queries: int, blocks: int, streams: Sequence[mx.Stream]) -> Iterator[tuple[int, int, mx.Stream | None]]:
    """Cut the blocks into a part for each stream, the first where all else is; one part where there is little to do."""
    parts = max(1, min(len(streams), blocks)) if queries * blocks * BLOCK >= WORTH else 1
    bounds = np.linspace(0, blocks, parts + 1).astype(int).tolist()
    for index, (low, high) in enumerate(pairwise(bounds)):
        yield low, high, streams[index] if index else None


def _summed(asking: mx.array, keys: mx.array, values: mx.array) -> mx.array:
    """Sum the values, and ones, each times its exponential: [K, chunks, m, D + 1]."""
    weights = exp(mx.minimum(asking @ keys[:, None], HIGHEST))
    return (weights @ values[:, None]).sum(axis=2)


def _parted(sums: mx.array, shift: mx.array | None, count: int) -> tuple[mx.array, mx.array]:
    """Part the sums of values from those of ones: [K, n, D] and [K, n, 1]."""
    heads, _, _, wide = sums.shape
    total = sums[..., -1:]
    output, logarithm = sums[..., :-1] / total, mx.log(total)
    logarithm = logarithm if shift is None else logarithm + shift
    return output.reshape(heads, -1, wide - 1)[:, :count], logarithm.reshape(heads, -1, 1)[:, :count]
