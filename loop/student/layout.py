"""Where each token of one forward pass is: worked out once, used by every layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

NOTHING: Final = -1e30
"""Added to a score that must not count."""
RUN: Final = 2048
"""Scores that one more run of slots may cost: what its operations take would compute so many, a head."""
WORTH: Final = 98304
"""Scores of a pass with its tails, a head, from which each core attends for a share of the tokens."""
PIECE: Final = 128
"""Places of a tail that are read at a time; a slot has room for a multiple of it."""
Saved = tuple[tuple[mx.array, mx.array], ...]
"""Keys and values of one sequence, [K, n, D] a layer; of a prefix, where `blocks.py` is of use, in its blocks."""


@dataclass(frozen=True)
class Shape:
    """What a model keeps of a token: a key and a value of `size` numbers for each of its key/value heads and layers."""

    layers: int
    heads: int
    size: int
    dtype: mx.Dtype

    @property
    def token_bytes(self) -> int:
        """Bytes of a token's keys and values."""
        return 2 * self.layers * self.heads * self.size * self.dtype.size


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
    """Neighbouring slots whose tails are read as one, by as many tokens each as the slot with most of them has."""

    low: int
    high: int
    reach: int
    """How far the longest of them reaches; in whole pieces, where each has one token."""
    of_slot: mx.array | None
    """[(high - low) * width] which of the share's tokens asks there; any, where the slot has fewer. None: all of them,
    in order."""
    mask: mx.array
    """[high - low, 1, width, 1, reach] added to the scores."""


@dataclass(frozen=True)
class Group:
    """Tokens behind one prefix: they follow each other in the share."""

    first: int
    count: int
    prefix: Saved


@dataclass(frozen=True)
class Share:
    """What one core attends for: tokens `first` to `first + count` of the flat batch."""

    first: int
    count: int
    runs: tuple[Run, ...]
    of_run: mx.array | None
    """[count] where each token is among those of the runs, one run behind the other. None: there, in order."""
    groups: tuple[Group, ...]
    """Tokens outside every group have no prefix, and come before the others."""


@dataclass(frozen=True)
class Pass:
    """One forward pass of N tokens: each row's follow each other, and rows behind one prefix stand together."""

    positions: mx.array
    """[N] positions in the conversation, for the rotary embedding."""
    slots: mx.array
    """[N] the token's row."""
    places: mx.array
    """[N] its place in the row's tail."""
    shares: tuple[Share, ...]


def lay_out(work: Sequence[Work], cores: int = 1) -> Pass:
    """Lay a pass out for so many cores. Rows without a prefix come first, those behind one prefix beside each other."""
    places = [item.start + index for item in work for index in range(item.count)]
    before = [item.prefix_length for item in work for _ in range(item.count)]
    slots = [item.slot for item in work for _ in range(item.count)]
    positions = np.add(before, places)
    shares = _shares(work, positions, cores if sum(places) >= WORTH else 1)
    return Pass(mx.array(positions), mx.array(slots), mx.array(places), tuple(shares))


def _shares(work: Sequence[Work], positions: NDArray[np.int64], parts: int) -> Iterator[Share]:
    """Cut the tokens into shares with as many scores each, those with prefixes included."""
    scores = np.cumsum(positions + 1)
    bounds = [0, *np.searchsorted(scores, scores[-1] * np.arange(1, parts) / parts), len(positions)]
    for low, high in pairwise(map(int, bounds)):
        if low < high:
            yield _share(list(_between(work, low, high)), low)


def _between(work: Sequence[Work], low: int, high: int) -> Iterator[Work]:
    """Give what the tokens from `low` to `high` are of each row's work."""
    first = 0
    for item in work:
        begin, end = max(low - first, 0), min(high - first, item.count)
        if begin < end:
            yield replace(item, start=item.start + begin, count=end - begin)
        first += item.count


def _share(work: Sequence[Work], first: int) -> Share:
    seats = sorted(_seats(work), key=lambda seat: seat.slot)
    count = sum(item.count for item in work)
    cuts = _cuts(seats)
    runs = tuple(_run(seats[low:high], count) for low, high in cuts)
    return Share(first, count, runs, _moved(*_found(seats, cuts)), tuple(_groups(work)))


def _groups(work: Sequence[Work]) -> Iterator[Group]:
    first = 0
    for _, behind in groupby(work, lambda item: id(item.prefix)):
        rows = list(behind)
        count = sum(row.count for row in rows)
        if rows[0].prefix is not None:
            yield Group(first, count, rows[0].prefix)
        first += count


@dataclass(frozen=True)
class Seat:
    """A slot's part of a share: its tokens `first` to `first + count`, the first of them at place `start`."""

    slot: int
    start: int
    count: int
    first: int


def _seats(work: Sequence[Work]) -> Iterator[Seat]:
    first = 0
    for item in work:
        yield Seat(item.slot, item.start, item.count, first)
        first += item.count


def _cuts(seats: Sequence[Seat]) -> list[tuple[int, int]]:
    """Cut the seats, in the order of their slots, into the runs that cost least: scores, and `RUN` for each run."""
    best: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
    for upto, last in enumerate(seats):
        options = []
        reach = width = 0
        for first in reversed(range(upto + 1)):
            reach = max(reach, seats[first].start + seats[first].count)
            width = max(width, seats[first].count)
            cost, cuts = best[first]
            scores = _read(reach, width) * width * (last.slot + 1 - seats[first].slot)
            options.append((cost + RUN + scores, [*cuts, (first, upto + 1)]))
        best.append(min(options))
    return best[-1][1]


def _found(seats: Sequence[Seat], cuts: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int32], int]:
    """Say where each token of the share is among the runs' places, and how many of these there are."""
    place = np.zeros(sum(seat.count for seat in seats), dtype=np.int32)
    before = 0
    for low, high in cuts:
        inside = seats[low:high]
        width = max(seat.count for seat in inside)
        for seat in inside:
            begin = before + (seat.slot - inside[0].slot) * width
            place[seat.first : seat.first + seat.count] = np.arange(begin, begin + seat.count)
        before += (inside[-1].slot + 1 - inside[0].slot) * width
    return place, before


def _run(seats: Sequence[Seat], among: int) -> Run:
    low, high, width = seats[0].slot, seats[-1].slot + 1, max(seat.count for seat in seats)
    asking, start = np.zeros((high - low, width), dtype=np.int32), np.zeros(high - low, dtype=np.int32)
    for seat in seats:
        asking[seat.slot - low, : seat.count] = np.arange(seat.first, seat.first + seat.count)
        start[seat.slot - low] = seat.start
    reach = _read(max(seat.start + seat.count for seat in seats), width)
    seen = np.arange(reach) <= (start[:, None] + np.arange(width))[..., None]
    return Run(low, high, reach, _moved(asking.reshape(-1), among), _mask(seen)[:, None, :, None])


def _read(reach: int, width: int) -> int:
    """Say how many places are read: by single tokens in whole pieces."""
    return whole(reach) if width == 1 else reach


def _moved(places: NDArray[np.int32], among: int) -> mx.array | None:
    """Give the places for a gather, or None where it would give all that there is, as it is."""
    return None if np.array_equal(places, np.arange(among)) else mx.array(places)


def _mask(seen: NDArray[np.bool_]) -> mx.array:
    return mx.array(np.where(seen, 0.0, NOTHING).astype(np.float32))


def whole(places: int) -> int:
    """Round up to whole pieces."""
    return -(-places // PIECE) * PIECE


def causal(start: int, count: int) -> mx.array:
    """Let each of `count` tokens from place `start` on see those before it, and itself: [count, start + count]."""
    end = start + count
    return _mask(np.arange(start, end)[:, None] >= np.arange(end)[None])
