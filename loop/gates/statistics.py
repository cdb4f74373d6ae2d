"""What paired differences prove: one-sided bounds of their mean, and an exact test of "no better".

One observation is one task: the candidate's avg@k minus the champion's. Tasks are the sample, so a bound speaks about
tasks of this kind, and the noise of the plays is inside the differences. Calibration: docs/gates.md.
"""

from typing import Final

import numpy as np
from scipy.special import gammaln, ndtri, stdtrit

from loop.gates.pairing import Floats, Ints

Counts = Ints
"""Numbers of tasks."""

SEED: Final = 20_240_229
"""The same scores get the same bound, today and on any machine."""
RESAMPLES: Final = 2_000
FEWEST: Final = 2
"""One task has no spread."""
TINY: Final = 1e-300
"""Instead of no variance at all."""
HALVINGS: Final = 40
"""Of the interval in which a score bound is looked for: to 2e-12."""


def resamples(tasks: int, count: int = RESAMPLES) -> Floats:
    """Draw bootstrap weights: [count, tasks], each row a resample's share of every task."""
    draws = np.random.default_rng([SEED, tasks]).multinomial(tasks, np.full(tasks, 1 / tasks), size=count)
    return draws / float(tasks)


def bounds(differences: Floats, samples: int, error: float, weights: Floats | None = None) -> tuple[float, float]:
    """Bound the mean difference of pass rates from below and from above, each side wrong with at most `error`.

    With one play a task these are `score_bounds`. With more it is the bootstrap-t over tasks (Efron and Tibshirani
    1993, chapter 12), never narrower than Student's t: the bootstrap sees the skewness of rates near 0 or 1, Student's
    t what a few tasks cannot show a bootstrap. Both use a standard error with one pseudo-task won and one lost by
    k^-3/4, which keeps it from vanishing where all tasks agree (after Agresti and Min 2005; the power by calibration).

    Args:
        differences: [tasks], candidate minus champion, in -1..1.
        samples: k, the plays behind each rate.
        error: of one side, in 0..0.5.
        weights: `resamples(tasks + 2)`, for who bounds often.

    Returns:
        The lower and the upper bound; -1 and 1 where there are fewer than two tasks.
    """
    if len(differences) < FEWEST:
        return -1.0, 1.0
    if samples == 1:
        won, lost = np.array((differences > 0).sum()), np.array((differences < 0).sum())
        lower, upper = score_bounds(won, lost, len(differences), error)
        return float(lower), float(upper)
    low, high = mean_bounds(differences, error, pseudo=float(samples) ** -0.75, weights=weights)
    return max(-1.0, low), min(1.0, high)


def score_bounds(won: Counts, lost: Counts, tasks: int, error: float) -> tuple[Floats, Floats]:
    """Bound the difference of two paired proportions by inverting the score test (Tango 1998).

    Its standard error is what it would be if the bound were the truth, so it neither vanishes where no task changed,
    nor shrinks where a few were only lost.

    Args:
        won: tasks that only the candidate passes; any shape.
        lost: tasks that only the champion passes; the same shape.
        tasks: all tasks, with those that both or neither pass.
        error: of one side, in 0..0.5.

    Returns:
        The lower and the upper bounds, in -1..1.
    """
    critical = float(ndtri(1 - error))
    return _lower(won, lost, tasks, critical), -_lower(lost, won, tasks, critical)


def _lower(won: Counts, lost: Counts, tasks: int, critical: float) -> Floats:
    """Find the least difference that the score test does not reject, by halving."""
    below = np.full(np.shape(won), -1.0)
    above = np.asarray((won - lost) / tasks, dtype=np.float64)
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        rejected = _score(won, lost, tasks, middle) > critical
        below, above = np.where(rejected, middle, below), np.where(rejected, above, middle)
    return below


def _score(won: Counts, lost: Counts, tasks: int, difference: Floats) -> Floats:
    """Say how many standard errors the observed difference lies above a supposed one, were that the truth.

    The chance that only the champion passes is its maximum-likelihood estimate under the supposed difference.
    """
    linear = -(won + lost) + (2 * tasks - won + lost) * difference
    constant = -lost * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8 * tasks * constant, 0.0))
    only_champion = (root - linear) / (4 * tasks)
    variance = np.maximum(tasks * (2 * only_champion + difference * (1 - difference)), TINY)
    score: Floats = (won - lost - tasks * difference) / np.sqrt(variance)
    return score


def mean_bounds(
    values: Floats, error: float, *, pseudo: float = 0.0, weights: Floats | None = None
) -> tuple[float, float]:
    """Bound the mean of any quantity, as `bounds` does; infinite where there are fewer than two tasks.

    Args:
        values: [tasks], in any unit.
        error: of one side, in 0..0.5.
        pseudo: how far from the mean the two pseudo-tasks lie, in the same unit.
        weights: `resamples(tasks + 2)`.
    """
    tasks = len(values)
    if tasks < FEWEST:
        return -np.inf, np.inf
    values = np.sort(values)  # the same tasks in another order get the same resamples
    mean = float(values.mean())
    deviation = float(np.sqrt((((values - mean) ** 2).sum() + 2 * pseudo**2) / (tasks * (tasks - 1))))
    drawn = _studentised(values - mean, pseudo, resamples(tasks + 2) if weights is None else weights)
    student = float(stdtrit(tasks - 1, 1 - error))
    above, below = float(np.quantile(drawn, 1 - error)), -float(np.quantile(drawn, error))
    return mean - max(above, student) * deviation, mean + max(below, student) * deviation


def _studentised(centred: Floats, pseudo: float, weights: Floats) -> Floats:
    """Resample the tasks and the two pseudo-tasks: each resample's deviation in its own standard errors."""
    values = np.concatenate([centred, [pseudo, -pseudo]])
    means: Floats = weights @ values
    variances = np.maximum(weights @ values**2 - means**2, 0.0) + 2 * pseudo**2 / len(values)
    drawn: Floats = means / np.sqrt(np.maximum(variances, TINY) / (len(values) - 1))
    return drawn


def chance(gains: Ints) -> float:
    """Say how likely gains as great as these would be if the candidate were no better: a one-sided p value.

    Fisher's exact randomisation test over tasks: were both policies alike, each task's gain would be as likely with
    the other sign. With one play a task it is McNemar's exact test.

    Args:
        gains: [tasks], how many plays more the candidate won than the champion, of the same number of plays.
    """
    sizes, counts = np.unique(np.abs(gains[gains != 0]), return_counts=True)
    weight = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        weight = np.convolve(weight, _swings(int(size), int(count)))
    return float(min(1.0, weight[len(weight) // 2 + int(gains.sum()) :].sum()))


def _swings(size: int, count: int) -> Floats:
    """Distribute the sum of `count` gains of +-`size`: entry i is the chance of i - size * count."""
    ups = np.arange(count + 1)
    swings = np.zeros(2 * size * count + 1)
    swings[2 * size * ups] = np.exp(
        gammaln(count + 1) - gammaln(ups + 1) - gammaln(count - ups + 1) - count * np.log(2)
    )
    return swings
