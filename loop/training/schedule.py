"""Which rows go into which optimizer step, and how a step is cut into micro-batches. All of it decided by the seed."""

import random
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
    """Cut a step into micro-batches of at most `budget` packed tokens, at least `lanes` of them where there are rows.

    Rows that begin alike stay together. A row longer than the budget stands alone.
    """
    ordered = sorted(step, key=lambda row: row.tokens)
    share = _packed_tokens(ordered) / lanes
    parts: list[list[Row]] = []
    filled = 0
    for row in ordered:
        new = len(row.tokens) - (common(parts[-1][-1].tokens, row.tokens) if parts else 0)
        if not parts or filled + new > budget or (len(parts) < lanes and filled + new / 2 > share):
            parts.append([row])
            filled = len(row.tokens)
        else:
            parts[-1].append(row)
            filled += new
    return parts


def _packed_tokens(ordered: Sequence[Row]) -> int:
    """Count the tokens that one micro-batch of all these rows would have."""
    shared = sum(common(one.tokens, other.tokens) for one, other in pairwise(ordered))
    return sum(len(row.tokens) for row in ordered) - shared
