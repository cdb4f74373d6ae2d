"""Which rows go into which optimizer step, and how a step is cut into micro-batches. All of it decided by the seed."""

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Protocol

from loop.training.masks import Losses, TrainingRow
from loop.training.prefix_tree import Floats, common


def steps(rows: Sequence[TrainingRow], epochs: int, size: int, run: int, seed: int) -> list[list[TrainingRow]]:
    """Deal all rows out to optimizer steps of about `size` rows, epoch after epoch.

    Rows of one group stand together in runs of up to `run`, so that their common prefix is computed once for the run;
    the runs are shuffled, so that a step sees several groups. Sizes within an epoch differ by at most one row.
    """
    return [step for epoch in range(epochs) for step in _epoch(rows, size, run, random.Random(f"{seed}/{epoch}"))]


class RowSchedule(Protocol):
    """Which rows each step trains on."""

    @property
    def count(self) -> int:
        """Steps in all."""
        ...

    @property
    def told(self) -> Sequence[Losses]:
        """What has to be told again to go on elsewhere."""
        ...

    @property
    def taken(self) -> Sequence[str]:
        """Ids of the rows so far, in order, where not all of them are trained on."""
        ...

    def step(self, number: int) -> Sequence[TrainingRow]:
        """Give the rows of a step, counted from 0; each step once, in order."""
        ...

    def learn(self, losses: Mapping[str, Floats]) -> None:
        """Be told what each learned token of the step's rows lost before it."""
        ...

    def again(self, losses: Sequence[Losses]) -> None:
        """Go through steps that were taken before."""
        ...


class Dealt:
    """A course that is settled before it begins: every row, epoch after epoch."""

    def __init__(self, plan: Sequence[Sequence[TrainingRow]]) -> None:
        """Take the steps as they come."""
        self.plan, self.count = plan, len(plan)
        self.told: tuple[Losses, ...] = ()
        self.taken: tuple[str, ...] = ()

    def step(self, number: int) -> Sequence[TrainingRow]:
        """Give the rows of a step, counted from 0."""
        return self.plan[number]

    def learn(self, losses: Mapping[str, Floats]) -> None:
        """Nothing that is lost changes what comes."""

    def again(self, losses: Sequence[Losses]) -> None:
        """Nothing has to be gone through again."""


def apart(rows: Sequence[TrainingRow], share: float, seed: int) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """Keep a share of the rows apart from training; both parts stay in order, and neither is empty if it can be."""
    count = min(len(rows) - 1, max(1, round(share * len(rows)))) if share > 0 else 0
    chosen = set(random.Random(f"{seed}/heldout").sample(range(len(rows)), count))
    return (
        [row for index, row in enumerate(rows) if index not in chosen],
        [row for index, row in enumerate(rows) if index in chosen],
    )


def _epoch(rows: Sequence[TrainingRow], size: int, run: int, rng: random.Random) -> list[list[TrainingRow]]:
    runs = [members[start : start + run] for members in _groups(rows, rng) for start in range(0, len(members), run)]
    rng.shuffle(runs)
    order = [row for members in runs for row in members]
    count = max(1, round(len(order) / size))
    cuts = [len(order) * cut // count for cut in range(count + 1)]
    return [order[start:stop] for start, stop in pairwise(cuts) if stop > start]


def _groups(rows: Sequence[TrainingRow], rng: random.Random) -> list[list[TrainingRow]]:
    groups: defaultdict[str, list[TrainingRow]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    for members in groups.values():
        rng.shuffle(members)
    return list(groups.values())


EVENED: Final = 16
"""Rows of a step up to which micro-batches are evened out: that looks at pairs of rows, again and again."""


def split(step: Sequence[TrainingRow], lanes: int, budget: int) -> list[list[TrainingRow]]:
    """Cut a step into micro-batches of at most `budget` packed tokens, in number a multiple of `lanes` where it can be.

    Rows that begin alike stay together where that costs least, and the largest micro-batch is as small as can be,
    because the other lanes wait for it. A row longer than the budget stands alone.
    """
    ordered = sorted(step, key=lambda row: row.tokens)
    shared = [0, *(common(one.tokens, other.tokens) for one, other in pairwise(ordered))]
    needed = len(_fill(ordered, shared, budget))
    count = min(len(ordered), lanes * -(-needed // lanes))
    sizes = range(1, budget + 1)
    cap = bisect_left(sizes, True, key=lambda size: len(_fill(ordered, shared, size)) <= count)
    parts = _fill(ordered, shared, sizes[min(cap, budget - 1)])
    if 1 < len(parts) < len(ordered) <= EVENED:
        parts = _evened(parts, lambda part: _tokens(part, [len(row.tokens) for row in ordered], shared))
    return [[ordered[index] for index in part] for part in parts]


def _fill(ordered: Sequence[TrainingRow], shared: Sequence[int], budget: int) -> list[list[int]]:
    """Fill micro-batches up to the budget, in order; `shared[n]`: tokens that row n begins with like the one before."""
    parts: list[list[int]] = []
    filled = 0
    for index, (row, alike) in enumerate(zip(ordered, shared, strict=True)):
        new = len(row.tokens) - alike
        if not parts or filled + new > budget:
            parts.append([index])
            filled = len(row.tokens)
        else:
            parts[-1].append(index)
            filled += new
    return parts


def _tokens(part: Sequence[int], lengths: Sequence[int], shared: Sequence[int]) -> int:
    """Count a micro-batch's packed tokens: what two sorted rows begin with alike is the least between them."""
    alike = sum(min(shared[one + 1 : other + 1]) for one, other in pairwise(part))
    return sum(lengths[index] for index in part) - alike


def _evened(parts: list[list[int]], tokens: Callable[[Sequence[int]], int]) -> list[list[int]]:
    """Move rows out of the largest micro-batch, or swap them, as long as the largest becomes smaller by it."""
    while True:
        largest = max(parts, key=tokens)
        others = [part for part in parts if part is not largest]
        best = min((pair for other in others for pair in _exchanges(largest, other)), key=lambda p: max(map(tokens, p)))
        if max(map(tokens, best)) >= tokens(largest):
            return parts
        parts = [part for part in parts if not set(part) <= {*best[0], *best[1]}] + [*best]


def _exchanges(one: Sequence[int], other: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Give every way to move a row of one over to the other, for none or for one of its rows."""
    for index in one:
        for back in [[], *([row] for row in other)]:
            kept = sorted([*(row for row in one if row != index), *back])
            if kept:
                yield kept, sorted([*(row for row in other if row not in back), index])
