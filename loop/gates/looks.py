"""How much error a look may spend, so that looking often, and trying often, proves nothing by luck.

A gate looks at k = first, 2*first, 4*first … most plays a task, and each look spends its part of the error: the sum
over all looks stays within the whole (union bound; spending as in Lan and DeMets 1983, in proportion to
the square of k, so that little is spent before the plays can tell much).
"""

from collections.abc import Sequence
from typing import Final

SPENDING: Final = 2
"""Power of k in what a look may spend: the greater, the more is kept for the last one."""


def ladder(first: int, most: int) -> tuple[int, ...]:
    """List the numbers of plays a task at which a gate looks: doubling, and `most` at the end."""
    rungs = []
    while first < most:
        rungs.append(first)
        first *= 2
    return (*rungs, most)


def share(rung: int, rungs: Sequence[int]) -> float:
    """Say which part of the error the look at `rung` plays a task may spend: by the square of its plays."""
    return rung**SPENDING / sum(each**SPENDING for each in rungs)


def attempt_share(attempt: int) -> float:
    """Say which part of the error the n-th candidate since the last promotion may spend: 1 / (n * (n + 1)).

    The parts sum to one over endlessly many attempts, so a hundred candidates no better than the champion promote one
    no oftener than a single one may.
    """
    return 1 / (attempt * (attempt + 1))


def attempts_left(attempt: int) -> float:
    """Say which part of the error is kept for all candidates after the n-th: 1 / (n + 1)."""
    return 1 / (attempt + 1)
