"""How a round's tasks are spread over the arms: what must be there, every backend's floor, the rest by weight."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
NO_ARMS: Final = np.empty(0, dtype=np.int64)


def spread(  # noqa: PLR0913 - all that a draw depends on
    weights: Floats, members: Bools, tasks: int, floor: float, rng: np.random.Generator, first: Ints = NO_ARMS
) -> Ints:
    """Draw `tasks` arms, with repetition.

    Args:
        weights: one per arm, not all zero, any scale.
        members: [backends, arms], true where the arm plays the backend. A small round serves the first rows first.
        tasks: how many to draw.
        floor: share of `tasks` that every backend gets, or an equal share where the floors do not fit.
        rng: where the draws come from.
        first: arms that are drawn once before all others, as far as the floors leave room.

    Returns:
        Indices of arms, [tasks].
    """
    due = max(1, min(int(np.ceil(tasks * floor)), tasks // len(members))) if floor else 0
    chosen = _within(rng.permutation(first), members, tasks, due)
    for row in members:
        missing = min(due - int(row[chosen].sum()), tasks - len(chosen))
        if missing > 0:
            chosen = np.append(chosen, _draw(weights, row, missing, rng))
    return np.append(chosen, _draw(weights, np.ones_like(weights, dtype=bool), tasks - len(chosen), rng))


def _within(first: Ints, members: Bools, tasks: int, due: int) -> Ints:
    """Take arms as long as what every backend is still due fits behind them."""
    chosen: list[int] = []
    had = np.zeros(len(members), dtype=np.int64)
    for arm in first:
        after = had + members[:, arm]
        if len(chosen) + 1 + int(np.maximum(due - after, 0).sum()) <= tasks:
            chosen.append(int(arm))
            had = after
    return np.array(chosen, dtype=np.int64)


def _draw(weights: Floats, among: Bools, count: int, rng: np.random.Generator) -> Ints:
    """Draw by weight among some arms; where none of them has any, each is as likely.

    Systematic resampling (Kitagawa 1996): an arm is drawn as often as it should be, rounded up or down. Drawn one by
    one, an arm that should be drawn twice would be missed in every eighth round.
    """
    share = np.where(among, weights, 0.0)
    share = share if share.sum() > 0 else among.astype(np.float64)
    ends = np.cumsum(share / share.sum())
    indices = (np.arange(count) + rng.random()) / count
    return rng.permutation(np.minimum(np.searchsorted(ends, indices, side="right"), np.flatnonzero(share)[-1]))
