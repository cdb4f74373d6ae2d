"""Where each token of one forward pass is: worked out once, used by every layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

NOTHING: Final = -1e30
"""Added to a score that must not count."""


@dataclass(frozen=True)
class Work:
    """What one row computes in a pass: `count` tokens from place `start` of its tail."""

    slot: int
    start: int
    count: int
    prefix: int | None
    """The slot of its prefix."""
    prefix_length: int


@dataclass(frozen=True)
class Chunk:
    """New tokens of one row that are computed together: places `start` to `start + length` of its tail."""

    first: int
    """Index of the chunk's first token in the flat batch."""
    length: int
    slot: int
    start: int
    prefix: int | None
    prefix_length: int
    mask: mx.array
    """[length, start + length] added to its scores against its own tail."""


@dataclass(frozen=True)
class Pass:
    """One forward pass of N tokens: the first `singles` are one a row, the rest are chunks.

    S' and P' are the slots of tails and prefixes that the singles reach, R the most rows behind one prefix.
    """

    positions: mx.array
    """[N] positions in the conversation, for the rotary embedding."""
    slots: mx.array
    """[N] the token's row."""
    places: mx.array
    """[N] its place in the row's tail."""
    singles: int
    chunks: tuple[Chunk, ...]
    reach: int
    """How far the longest tail of the singles reaches."""
    of_slot: mx.array | None
    """[S'] which single each slot's query comes from; any, where the slot has none."""
    mask: mx.array | None
    """[S', 1, 1, reach] added to a single's scores against its tail."""
    behind: mx.array | None = None
    """[P', R] which singles stand behind each prefix; filled up with any."""
    back: mx.array | None = None
    """[singles] where each single is in `behind`, flattened."""
    without: mx.array | None = None
    """[singles, 1, 1, 1] `NOTHING` for a single without a prefix, else 0."""
    prefix_reach: int = 0
    prefix_mask: mx.array | None = None
    """[P', 1, 1, prefix_reach] added to scores against a prefix."""


def lay_out(work: Sequence[Work]) -> Pass:
    """Lay a pass out. Rows with one token come first."""
    singles = [item for item in work if item.count == 1]
    places = [item.start + index for item in work for index in range(item.count)]
    before = [item.prefix_length for item in work for _ in range(item.count)]
    slots = [item.slot for item in work for _ in range(item.count)]
    own = _tails(singles) if singles else (0, None, None)
    shared = any(item.prefix is not None for item in singles)
    behind = _prefixes(singles) if shared else (None, None, None, 0, None)
    positions = mx.array(np.add(before, places))
    return Pass(positions, mx.array(slots), mx.array(places), len(singles), tuple(_chunks(work)), *own, *behind)


def _chunks(work: Sequence[Work]) -> Iterator[Chunk]:
    first = 0
    for item in work:
        if item.count > 1:
            mask = causal(item.start, item.count)
            yield Chunk(first, item.count, item.slot, item.start, item.prefix, item.prefix_length, mask)
        first += item.count


def causal(start: int, count: int) -> mx.array:
    """Let each of `count` tokens from place `start` on see those before it, and itself: [count, start + count]."""
    end = start + count
    seen = np.arange(start, end)[:, None] >= np.arange(end)[None]
    return mx.array(np.where(seen, 0.0, NOTHING).astype(np.float32))


def _tails(singles: Sequence[Work]) -> tuple[int, mx.array, mx.array]:
    slots = [item.slot for item in singles]
    of_slot = np.zeros(max(slots) + 1, dtype=np.int32)
    of_slot[slots] = np.arange(len(slots))
    lengths = np.zeros(max(slots) + 1, dtype=np.int32)
    lengths[slots] = [item.start + 1 for item in singles]
    reach = int(lengths.max())
    return reach, mx.array(of_slot), _mask(lengths, reach)


def _prefixes(singles: Sequence[Work]) -> tuple[mx.array, mx.array, mx.array, int, mx.array]:
    members: dict[int, list[int]] = {}
    for index, item in enumerate(singles):
        members.setdefault(item.prefix or 0, []).extend([index] if item.prefix is not None else [])
    slots, rows = max(members) + 1, max(map(len, members.values()))
    behind = np.zeros((slots, rows), dtype=np.int32)
    back = np.zeros(len(singles), dtype=np.int32)
    lengths = np.zeros(slots, dtype=np.int32)
    for slot, indices in members.items():
        behind[slot, : len(indices)] = indices
        back[indices] = slot * rows + np.arange(len(indices))
        lengths[slot] = max((singles[index].prefix_length for index in indices), default=0)
    without = np.array([0.0 if item.prefix is not None else NOTHING for item in singles], dtype=np.float32)
    reach = int(lengths.max())
    return mx.array(behind), mx.array(back), mx.array(without[:, None, None, None]), reach, _mask(lengths, reach)


def _mask(lengths: NDArray[np.int32], reach: int) -> mx.array:
    mask = np.where(np.arange(reach)[None] < lengths[:, None], 0.0, NOTHING).astype(np.float32)
    return mx.array(mask[:, None, None])
