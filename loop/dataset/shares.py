"""Rows that no play of the loop's own brought: traces and corrections, as a share of a dataset."""

from collections.abc import Callable, Iterable, Mapping

from pydantic import JsonValue

from loop.canonical import digest
from loop.dataset.mix import draw
from loop.types import Accepted, Dataset, Task


def room(rows: int, share: float, most: int) -> int:
    """Count the rows that make up a share beside `rows` others; all there is room for, where the share is the whole."""
    if share <= 0:
        return 0
    return most if share >= 1 else min(most, round(share / (1 - share) * rows))


def shared(
    dataset: Dataset,
    accepted: Iterable[Accepted],
    share: tuple[str, float, int],
    seed: int,
    leak: Callable[[Task], str | None] = lambda _: None,
) -> Dataset:
    """Add rows to a dataset as a share of it, chosen and placed by the seed.

    Args:
        dataset: what the loop's own plays gave; with a share of 1 none of it is kept.
        accepted: the rows that there are to choose from.
        share: what they are called in the counts, their share of all rows in 0..1, and how many there may be.
        seed: decides which, and the order.
        leak: says in what a task is like one that a gate measures with; such rows are left out and counted.
    """
    name, part, most = share
    everything = list(accepted)
    sound = [candidate for candidate in everything if leak(candidate.task) is None]
    own = () if part >= 1 else dataset.rows
    names = sorted((candidate.id for candidate in sound), key=lambda one: draw(seed, f"{name}/{one}"))
    chosen = [one for one in names if one not in own][: room(len(own), part, most)]
    rows = tuple(sorted([*own, *chosen], key=lambda one: draw(seed, one)))
    counts = {**dataset.counts, name: len(chosen), f"{name}_there": len(everything), "rows": len(rows)}
    counts[f"{name}_leaked"] = len(everything) - len(sound)
    rules: Mapping[str, JsonValue] = {**dataset.rules, f"{name}_share": part}
    identity = digest({"rows": list(rows), "rules": dict(rules), "seed": seed})
    return Dataset(id=identity, rows=rows, counts=dict(sorted(counts.items())), rules=dict(sorted(rules.items())))
