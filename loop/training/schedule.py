"""Which rows go into which optimizer step, and how a step is cut into micro-batches. All of it decided by the seed."""

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from loop.training.masks import Row
from loop.training.prefix_tree import common


def steps(rows: Sequence[Row], epochs: int, size: int, run: int, seed: int) -> list[list[Row]]:
    """Deal all rows out to optimizer steps of about `size` rows, epoch after epoch.

    Rows of one group stand together in runs of up to `run`, so that their common prefix is computed once for the run;
    the runs are shuffled, so that a step sees several groups. Sizes within an epoch differ by at most one row.
    """
    return [step for epoch in range(epochs) for step in _epoch(rows, size, run, random.Random(f"{seed}/{epoch}"))]


def apart(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Keep a share of the rows apart from training; both parts stay in order, and neither is empty if it can be."""
    count = min(len(rows) - 1, max(1, round(share * len(rows)))) if share > 0 else 0
    chosen = set(random.Random(f"{seed}/heldout").sample(range(len(rows)), count))
    return (
        [row for place, row in enumerate(rows) if place not in chosen],
        [row for place, row in enumerate(rows) if place in chosen],
    )


def _epoch(rows: Sequence[Row], size: int, run: int, rng: random.Random) -> list[list[Row]]:
    runs = [members[start : start + run] for members in _groups(rows, rng) for start in range(0, len(members), run)]
    rng.shuffle(runs)
    order = [row for members in runs for row in members]
    count = max(1, round(len(order) / size))
    cuts = [len(order) * cut // count for cut in range(count + 1)]
    return [order[start:stop] for start, stop in pairwise(cuts) if stop > start]


def _groups(rows: Sequence[Row], rng: random.Random) -> list[list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    for members in groups.values():
        rng.shuffle(members)
    return list(groups.values())


def split(step: Sequence[Row], lanes: int, budget: int) -> list[list[Row]]:
    """Cut a step into micro-batches of at most `budget` packed tokens, in number a multiple of `lanes` where it can be.

    Rows that begin alike stay together, and the largest micro-batch is as small as their order allows, because the
    other lanes wait for it. A row longer than the budget stands alone.
    """
    ordered = sorted(step, key=lambda row: row.tokens)
    shared = [0, *(common(one.tokens, other.tokens) for one, other in pairwise(ordered))]
    needed = len(_fill(ordered, shared, budget))
    count = min(len(ordered), lanes * -(-needed // lanes))
    sizes = range(1, budget + 1)
    cap = bisect_left(sizes, True, key=lambda size: len(_fill(ordered, shared, size)) <= count)
    return _fill(ordered, shared, sizes[min(cap, budget - 1)])


def _fill(ordered: Sequence[Row], shared: Sequence[int], budget: int) -> list[list[Row]]:
    """Fill micro-batches up to the budget, in order; `shared[n]`: tokens that row n begins with like the one before."""
    parts: list[list[Row]] = []
    filled = 0
    for row, alike in zip(ordered, shared, strict=True):
        new = len(row.tokens) - alike
        if not parts or filled + new > budget:
            parts.append([row])
            filled = len(row.tokens)
        else:
            parts[-1].append(row)
            filled += new
    return parts
