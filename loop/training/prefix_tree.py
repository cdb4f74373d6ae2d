"""Lay rows out as a forest of segments, so that what several rows begin with is computed once.

Rows are sorted; neighbours that begin alike share a segment. All segments of a micro-batch stand behind each other in
one packed sequence, depth first; a token attends to its own segment up to itself and to the segments above. A position
that several rows pass through may have several targets: one (position, target, weight) triple each. The sum over
triples of weight times cross-entropy is then exactly the weighted mean over the learned tokens of all rows of a step.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loop.training.masks import TrainingRow

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of packed positions `start:stop`, the segment it follows (-1: none), and how many tokens stand before."""

    start: int
    stop: int
    parent: int
    depth: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A micro-batch. `tokens`, `positions`: (N,). `index`, `targets`, `weights`: one entry per learned triple."""

    segments: tuple[Segment, ...]
    tokens: Ints
    positions: Ints
    index: Ints
    targets: Ints
    weights: Floats
    rows: int
    row_tokens: int
    """Tokens of the rows as they were, before sharing."""
    learned: Mapping[str, Ints]
    """Of each row by id, the triples that it is learned at, in the order of its tokens."""

    def of_rows(self, weighted: Floats) -> dict[str, Floats]:
        """Take the losses of the triples, each times its weight, apart into those of each row's learned tokens."""
        losses = weighted / self.weights
        return {name: losses[triples] for name, triples in self.learned.items()}


@dataclass
class _Builder:
    """Grows a packed micro-batch segment by segment."""

    rows: Sequence[TrainingRow]
    total: float
    """Weight of all learned tokens of the step."""
    least: int
    block: int

    def __post_init__(self) -> None:
        self.segments: list[Segment] = []
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.triples: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.learned: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def grow(self, low: int, high: int, depth: int, parent: int) -> None:
        """Add the rows low:high (sorted, alike up to depth) below a segment."""
        while low < high:
            group = self._together(low, high, depth)
            upto = common(self.rows[low].tokens, self.rows[group - 1].tokens) if group - low > 1 else None
            end = len(self.rows[low].tokens) - 1 if upto is None else upto
            last = self._emit(low, group, depth, end, parent)
            if upto is not None:
                self.grow(low, group, end, last)
            low = group

    def _together(self, low: int, high: int, depth: int) -> int:
        """Find how many rows from `low` on share enough below `depth` to be worth a segment."""
        first = self.rows[low].tokens
        group = low + 1
        while group < high and common(first, self.rows[group].tokens) - depth >= self.least:
            group += 1
        return group

    def _emit(self, low: int, group: int, depth: int, end: int, parent: int) -> int:
        """Add the tokens depth:end of rows that share them, in blocks, and what they predict."""
        row = self.rows[low]
        for begin in range(depth, end, self.block):
            stop = min(begin + self.block, end)
            start = len(self.tokens)
            self.tokens.extend(row.tokens[begin:stop])
            self.positions.extend(range(begin, stop))
            self.segments.append(Segment(start, len(self.tokens), parent, begin))
            parent = len(self.segments) - 1
        for member in range(low, group):
            self._learn(member, depth, end, len(self.tokens) - end)
        return parent

    def _learn(self, member: int, depth: int, end: int, shift: int) -> None:
        row = self.rows[member]
        for index in range(depth, end):
            if row.loss[index]:
                triple = (index + shift, row.tokens[index + 1])
                self.triples[triple] += row.weight / self.total
                self.learned[row.id].append(triple)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the tokens that both begin with, leaving each at least one of its own to predict."""
    limit = min(len(one), len(other)) - 1
    return next((index for index in range(limit) if one[index] != other[index]), limit)


def pack(rows: Sequence[TrainingRow], total: float, least: int = 32, block: int = 256) -> Packed:
    """Pack rows into one micro-batch.

    Args:
        rows: the micro-batch's trajectories.
        total: weight of the learned tokens of all rows of the optimizer step, which may have several micro-batches.
        least: a shared run of fewer tokens is not worth a segment of its own.
        block: a longer segment becomes a chain, so that attention never computes much more than its causal half.
    """
    ordered = sorted(rows, key=lambda row: row.tokens)
    builder = _Builder(ordered, total, least, block)
    builder.grow(0, len(ordered), 0, -1)
    triples = sorted(builder.triples.items())
    number = {triple: place for place, (triple, _) in enumerate(triples)}
    return Packed(
        segments=tuple(builder.segments),
        tokens=np.array(builder.tokens, np.int32),
        positions=np.array(builder.positions, np.int32),
        index=np.array([place for (place, _), _ in triples], np.int32),
        targets=np.array([target for (_, target), _ in triples], np.int32),
        weights=np.array([weight for _, weight in triples], np.float32),
        rows=len(ordered),
        row_tokens=sum(len(row.tokens) for row in ordered),
        learned={name: np.array([number[row] for row in mine]) for name, mine in builder.learned.items()},
    )
