"""When a gate looks, and how much error a look may spend, so that looking often proves nothing by luck.

A gate looks at the first tasks of its suite, then at twice as many, and so on to all of them, one play each; only a
suite that is too small to tell is then played twice, four times … Every look spends its part of the error: the sum
over all looks stays within the whole (union bound; spending as in Lan and DeMets 1983, in proportion to a power of the
plays, so that little is spent before they can tell much).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

SPENDING: Final = 3.0
"""Power of the plays in what a look may spend, unless a gate says another: the greater, the more is kept for the
last one."""


class Look(NamedTuple):
    """One look: at so many tasks, in the suite's order, with so many plays each."""

    tasks: int
    samples: int


def ladder(first: int, tasks: int, most: int) -> tuple[Look, ...]:
    """List the looks at a suite.

    Args:
        first: tasks of the first look; the next ones double them until all are in.
        tasks: all of them.
        most: plays a task at most; they double once every task is in.
    """
    sizes = _doubling(min(first, tasks), tasks)
    more = _doubling(2, most) if most > 1 else ()
    return (*(Look(size, 1) for size in sizes), *(Look(tasks, samples) for samples in more))


def _doubling(first: int, most: int) -> tuple[int, ...]:
    steps = []
    while first < most:
        steps.append(first)
        first *= 2
    return (*steps, most)


def shares(plays: Sequence[int], spending: float = SPENDING) -> tuple[float, ...]:
    """Say which part of the error each look may spend, given the plays behind each; they sum to one."""
    powers = [float(play) ** spending for play in plays]
    whole = sum(powers)
    return tuple(power / whole for power in powers)
