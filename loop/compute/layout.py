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
"""Scores that one more run may cost: what its operations take would compute so many, a head."""
WORTH: Final = 98304
"""Scores of a pass with its tails, a head, from which each core attends for a share of the tokens."""
PAGE: Final = 64
"""Tokens of a tail whose keys and values lie together."""
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
    """What one row computes in a pass: `count` tokens from place `start` of its tail, which lies in these pages."""

    pages: Sequence[int]
    start: int
    count: int
    prefix: Saved | None
    prefix_length: int


@dataclass(frozen=True)
class RowGroup:
    """R rows that ask as many tokens each as the row with most of them has, `width`, of their n pages.

    A place among the heads of pages or rows is that of the page or row times the number of heads, and the head's.
    """

    rows: int
    asking: mx.array | None
    """[R * width] which of the share's tokens asks there; any, where the row has fewer. None: all of them, in order."""
    pages: mx.array
    """[n * K] places among the heads of all pages: what is asked."""
    of_row: mx.array
    """[n * K] places among the heads of the rows: who asks."""
    row: mx.array
    """[n] the same, without the heads."""
    sums: mx.array
    """[R, n] one where the row asks the page, else nought: a product with it sums over a row's pages."""
    of_page: mx.array
    """[R, M] where each row's pages are among the n; any, where it has fewer."""
    missing: mx.array
    """[R, M, 1, 1, 1] added to what is known of these pages, against those any."""
    mask: mx.array
    """[n, 1, width, 1, PAGE] added to the scores."""


@dataclass(frozen=True)
class Group:
    """Tokens behind one prefix: they follow each other in the share."""

    first: int
    count: int
    prefix: Saved


@dataclass(frozen=True)
class TokenShare:
    """What one core attends for: tokens `first` to `first + count` of the flat batch."""

    first: int
    count: int
    runs: tuple[RowGroup, ...]
    of_run: mx.array | None
    """[count] where each token is among those of the runs, one run behind the other. None: there, in order."""
    groups: tuple[Group, ...]
    """Tokens outside every group have no prefix, and come before the others."""


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass of N tokens: each row's follow each other, and rows behind one prefix stand together."""

    positions: mx.array
    """[N] positions in the conversation, for the rotary embedding."""
    spots: mx.array
    """[N * K] where each token's keys and values go, a head: places among those of all pages, one behind the other."""
    shares: tuple[TokenShare, ...]


def lay_out(work: Sequence[Work], heads: int, cores: int = 1) -> ForwardPass:
    """Lay a pass out for so many key/value heads, and so many cores.

    Rows without a prefix come first, those behind one prefix beside each other.
    """
    indices = [(item, item.start + index) for item in work for index in range(item.count)]
    positions = np.array([item.prefix_length + position for item, position in indices])
    pages = np.array([item.pages[position // PAGE] for item, position in indices])
    within = np.array([position % PAGE for _, position in indices])
    spots = _of_heads(pages, heads) * PAGE + within[:, None]
    shares = _shares(work, heads, positions, cores if sum(position for _, position in indices) >= WORTH else 1)
    return ForwardPass(mx.array(positions), mx.array(spots.reshape(-1)), tuple(shares))


def _of_heads(indices: NDArray[np.int64], heads: int) -> NDArray[np.int64]:
    """Give each place's heads: one more axis."""
    spread: NDArray[np.int64] = indices[..., None] * heads + np.arange(heads)
    return spread


def _shares(work: Sequence[Work], heads: int, positions: NDArray[np.int64], parts: int) -> Iterator[TokenShare]:
    """Cut the tokens into shares with as many scores each, those with prefixes included."""
    scores = np.cumsum(positions + 1)
    bounds = [0, *np.searchsorted(scores, scores[-1] * np.arange(1, parts) / parts), len(positions)]
    for low, high in pairwise(map(int, bounds)):
        if low < high:
            yield _share(list(_between(work, low, high)), heads, low)


def _between(work: Sequence[Work], low: int, high: int) -> Iterator[Work]:
    """Give what the tokens from `low` to `high` are of each row's work."""
    first = 0
    for item in work:
        begin, end = max(low - first, 0), min(high - first, item.count)
        if begin < end:
            yield replace(item, start=item.start + begin, count=end - begin)
        first += item.count


def _share(work: Sequence[Work], heads: int, first: int) -> TokenShare:
    runs = _cuts(list(_seats(work)))
    count = sum(item.count for item in work)
    laid = tuple(_run(seats, heads, count) for seats in runs)
    return TokenShare(first, count, laid, _moved(*_run_places(runs)), tuple(_groups(work)))


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
    """A row's part of a share: its tokens `first` to `first + count`, the first of them at place `start`."""

    pages: Sequence[int]
    """Those that its last token sees."""
    start: int
    count: int
    first: int


def _seats(work: Sequence[Work]) -> Iterator[Seat]:
    first = 0
    for item in work:
        yield Seat(item.pages[: pages_of(item.start + item.count)], item.start, item.count, first)
        first += item.count


def _cuts(seats: Sequence[Seat]) -> list[list[Seat]]:
    """Put the seats into the runs that cost least: scores, and `RUN` for each run. In each they stand in order."""
    alike = sorted(seats, key=lambda seat: (seat.count, seat.first))
    best: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
    for upto in range(1, len(alike) + 1):
        options, pages = [], 0
        for first in reversed(range(upto)):
            pages += len(alike[first].pages)
            cost, cuts = best[first]
            options.append((cost + RUN + pages * PAGE * alike[upto - 1].count, [*cuts, (first, upto)]))
        best.append(min(options))
    return [sorted(alike[low:high], key=lambda seat: seat.first) for low, high in best[-1][1]]


def _run_places(runs: Sequence[Sequence[Seat]]) -> tuple[NDArray[np.int32], int]:
    """Say where each token of the share is among the runs' places, and how many of these there are."""
    place = np.zeros(sum(seat.count for run in runs for seat in run), dtype=np.int32)
    before = 0
    for run in runs:
        width = max(seat.count for seat in run)
        for seat in run:
            place[seat.first : seat.first + seat.count] = np.arange(before, before + seat.count)
            before += width
    return place, before


def _run(seats: Sequence[Seat], heads: int, among: int) -> RowGroup:
    width = max(seat.count for seat in seats)
    asking = np.zeros((len(seats), width), dtype=np.int32)
    for row, seat in enumerate(seats):
        asking[row, : seat.count] = np.arange(seat.first, seat.first + seat.count)
    counts = np.array([len(seat.pages) for seat in seats])
    rows, before = np.repeat(np.arange(len(seats)), counts), np.cumsum(counts) - counts
    start = np.array([seat.start for seat in seats])[rows] - (np.arange(len(rows)) - before[rows]) * PAGE
    some = np.arange(counts.max()) < counts[:, None]
    return RowGroup(
        rows=len(seats),
        asking=_moved(asking.reshape(-1), among),
        pages=_places(_of_heads(np.concatenate([seat.pages for seat in seats]), heads).reshape(-1)),
        of_row=_places(_of_heads(rows, heads).reshape(-1)),
        row=_places(rows),
        sums=mx.array((rows == np.arange(len(seats))[:, None]).astype(np.float32)),
        of_page=_places(np.where(some, before[:, None] + np.arange(counts.max()), 0)),
        missing=_mask(some)[..., None, None, None],
        mask=_mask(_seen(start, width, PAGE))[:, None, :, None],
    )


def _seen(start: NDArray[np.int64], width: int, count: int) -> NDArray[np.bool_]:
    """Whether tokens from these places on see each of `count` places: [len(start), width, count]."""
    seen: NDArray[np.bool_] = np.arange(count) <= (start[:, None] + np.arange(width))[..., None]
    return seen


def _places(indices: NDArray[np.int64]) -> mx.array:
    return mx.array(indices.astype(np.uint32))


def _moved(indices: NDArray[np.int32], among: int) -> mx.array | None:
    """Give the places for a gather, or None where it would give all that there is, as it is."""
    return None if np.array_equal(indices, np.arange(among)) else mx.array(indices)


def _mask(seen: NDArray[np.bool_]) -> mx.array:
    return mx.array(np.where(seen, 0.0, NOTHING).astype(np.float32))


def pages_of(indices: int) -> int:
    """Count the pages that so many tokens take."""
    return -(-indices // PAGE)


def causal(start: int, count: int) -> mx.array:
    """Let each of `count` tokens from place `start` on see those before it, and itself: [count, start + count]."""
    return _mask(_seen(np.array([start]), count, start + count)[0])
