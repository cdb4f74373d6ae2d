"""Where each token of one forward pass is: worked out once, used by every layer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

NOTHING: Final = -1e30
"""Added to a score that must not count."""
RUN: Final = 2048
"""Places that one more run of slots may cost: what its operations take would read so many."""
PIECE: Final = 128
"""Places of a tail that are read at a time; a slot has room for a multiple of it."""
Saved = tuple[tuple[mx.array, mx.array], ...]
"""Keys and values of one sequence, [K, n, D] a layer."""


@dataclass(frozen=True)
class Work:
    """What one row computes in a pass: `count` tokens from place `start` of its tail."""

    slot: int
    start: int
    count: int
    prefix: Saved | None
    prefix_length: int


@dataclass(frozen=True)
class Run:
    """Neighbouring slots whose tails the singles read as one."""

    low: int
    high: int
    reach: int
    """How far the longest of them reaches, in whole pieces."""
    of_slot: mx.array | None
    """[high - low] which single each slot's query comes from; any, where the slot has none. None: all, in order."""
    mask: mx.array
    """[high - low, 1, 1, reach] added to the scores."""


@dataclass(frozen=True)
class Group:
    """Singles behind one prefix: they follow each other in the flat batch."""

    first: int
    count: int
    prefix: Saved


@dataclass(frozen=True)
class Chunk:
    """New tokens of one row that are computed together: places `start` to `start + length` of its tail."""

    first: int
    """Index of the chunk's first token in the flat batch."""
    length: int
    slot: int
    start: int
    prefix: Saved | None
    mask: mx.array
    """[length, start + length] added to its scores against its own tail."""


@dataclass(frozen=True)
class Pass:
    """One forward pass of N tokens: the first `singles` are one a row, the rest are chunks."""

    positions: mx.array
    """[N] positions in the conversation, for the rotary embedding."""
    slots: mx.array
    """[N] the token's row."""
    places: mx.array
    """[N] its place in the row's tail."""
    singles: int
    chunks: tuple[Chunk, ...]
    runs: tuple[Run, ...]
    of_run: mx.array | None
    """[singles] where each single is among the runs' slots, one run behind the other. None: there, in order."""
    groups: tuple[Group, ...]
    """Singles outside every group have no prefix, and come before the others."""


def lay_out(work: Sequence[Work]) -> Pass:
    """Lay a pass out. Rows with one token come first, and among them those behind one prefix beside each other."""
    singles = [item for item in work if item.count == 1]
    places = [item.start + index for item in work for index in range(item.count)]
    before = [item.prefix_length for item in work for _ in range(item.count)]
    slots = [item.slot for item in work for _ in range(item.count)]
    cuts = _cuts({item.slot: item.start + 1 for item in singles})
    return Pass(
        positions=mx.array(np.add(before, places)),
        slots=mx.array(slots),
        places=mx.array(places),
        singles=len(singles),
        chunks=tuple(_chunks(work)),
        runs=tuple(_run(singles, low, high) for low, high in cuts),
        of_run=_moved(_found([item.slot for item in singles], cuts), sum(high - low for low, high in cuts)),
        groups=tuple(_groups(singles)),
    )


def _groups(singles: Sequence[Work]) -> Iterator[Group]:
    first = 0
    for _, behind in groupby(singles, lambda item: id(item.prefix)):
        rows = list(behind)
        if rows[0].prefix is not None:
            yield Group(first, len(rows), rows[0].prefix)
        first += len(rows)


def _chunks(work: Sequence[Work]) -> Iterator[Chunk]:
    first = 0
    for item in work:
        if item.count > 1:
            yield Chunk(first, item.count, item.slot, item.start, item.prefix, causal(item.start, item.count))
        first += item.count


def _cuts(lengths: Mapping[int, int]) -> list[tuple[int, int]]:
    """Cut the slots in use, each with its length, into the runs that cost least: places read, and `RUN` for each."""
    slots = sorted(lengths)
    best: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
    for upto, last in enumerate(slots):
        options = []
        reach = 0
        for first in reversed(range(upto + 1)):
            reach = max(reach, whole(lengths[slots[first]]))
            cost, cuts = best[first]
            options.append((cost + RUN + reach * (last + 1 - slots[first]), [*cuts, (slots[first], last + 1)]))
        best.append(min(options))
    return best[-1][1]


def _found(slots: Sequence[int], cuts: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    starts = np.cumsum([0, *(high - low for low, high in cuts)])
    place = {
        slot: start + slot - low
        for start, (low, high) in zip(starts[:-1], cuts, strict=True)
        for slot in range(low, high)
    }
    return np.array([place[slot] for slot in slots], dtype=np.int32)


def _run(singles: Sequence[Work], low: int, high: int) -> Run:
    of_slot, lengths = np.zeros(high - low, dtype=np.int32), np.zeros(high - low, dtype=np.int32)
    for index, item in enumerate(singles):
        if low <= item.slot < high:
            of_slot[item.slot - low], lengths[item.slot - low] = index, item.start + 1
    reach = whole(int(lengths.max()))
    mask = np.where(np.arange(reach)[None] < lengths[:, None], 0.0, NOTHING).astype(np.float32)
    return Run(low, high, reach, _moved(of_slot, len(singles)), mx.array(mask[:, None, None]))


def _moved(places: NDArray[np.int32], among: int) -> mx.array | None:
    """Give the places for a gather, or None where it would give all that there is, as it is."""
    return None if np.array_equal(places, np.arange(among)) else mx.array(places)


def whole(places: int) -> int:
    """Round up to whole pieces."""
    return -(-places // PIECE) * PIECE


def causal(start: int, count: int) -> mx.array:
    """Let each of `count` tokens from place `start` on see those before it, and itself: [count, start + count]."""
    end = start + count
    seen = np.arange(start, end)[:, None] >= np.arange(end)[None]
    return mx.array(np.where(seen, 0.0, NOTHING).astype(np.float32))
