"""What a suite can show: the chance to prove a gain, and to hold an equal candidate, by size and plays a task."""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field
from scipy.special import ndtr, stdtrit

from loop.gates.looks import attempt_share, ladder, share
from loop.types import Record


class Power(Record):
    """One cell of a power table."""

    tasks: int
    samples: int
    """Plays a task, of each policy."""
    delta: float
    """The true gain, in 0..1."""
    improves: float
    """The chance that the gain is proven."""
    holds: float
    """The chance that an equal candidate is shown to be not worse by as much."""


class Conditions(Record):
    """What the tasks and the plays are like."""

    noise: float = Field(default=0.15, ge=0, le=0.25)
    """Mean of p(1-p) over the tasks: 0.25 where every play is a toss-up, 0 where each always ends alike."""
    change: float = Field(default=0.0, ge=0, le=1)
    """Standard deviation, over the tasks, of the true change from champion to candidate."""
    error: float = Field(default=0.05, gt=0, lt=0.5)
    """Of "better", one-sided, at the look in question."""
    guard: float = Field(default=0.05, gt=0, lt=0.5)
    """Of "not worse", likewise."""


def planned(samples: int, *, level: float, share_of_gate: float, attempt: int, first: int = 1) -> tuple[float, float]:
    """Say what errors the last of the looks up to `samples` plays a task may spend: for "better", for "not worse"."""
    rungs = ladder(min(first, samples), samples)
    last = share(samples, rungs)
    return level * share_of_gate * attempt_share(attempt) * last, level * last


def power(
    sizes: Iterable[int],
    samples: Sequence[int] = (1, 2, 4, 8, 16, 32),
    deltas: Sequence[float] = (0.05, 0.10),
    conditions: Conditions | None = None,
) -> tuple[Power, ...]:
    """Compute the power for suites of `sizes` tasks: every size with every number of plays and every delta.

    Normal approximation to the paired comparison of avg@k; docs/gates.md sets it beside simulation.
    """
    given = conditions or Conditions()
    return tuple(_power(size, k, delta, given) for size in sizes for k in samples for delta in deltas)


def _power(tasks: int, samples: int, delta: float, given: Conditions) -> Power:
    variance = 2 * given.noise / samples + given.change**2
    critical, guard = (float(stdtrit(max(1, tasks - 1), 1 - error)) for error in (given.error, given.guard))
    gain = delta / np.sqrt(max(variance, 1e-12) / tasks)
    guarded = (variance * (tasks - 1) + 2 / samples**1.5) / (tasks * max(1, tasks - 1))
    shown = (delta - guard * np.sqrt(guarded)) / np.sqrt(max(variance, 1e-12) / tasks)
    return Power(
        tasks=tasks, samples=samples, delta=delta, improves=float(ndtr(gain - critical)), holds=float(ndtr(shown))
    )
