"""One question to paired scores, asked again with every look: is the candidate worse by a margin? Is it better?"""

from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import ndtri

from loop.gates.looks import SPENDING, ladder, shares
from loop.gates.pairing import Bools, Floats, Ints, Paired
from loop.gates.statistics import FEWEST, Counts, bounds, chance
from loop.types import GatePart, GateVerdict

Values = dict[str, Any]
INTERVAL: Final = 0.025
"""Error of each side of the interval that is shown."""


NOTHING: Final = np.zeros(0, dtype=np.int64)


class PartLook(NamedTuple):
    """One look at a part of the suite."""

    number: int
    """Of the look, counted over the whole suite."""
    rows: Ints
    samples: int
    error: float
    """What it may spend, one-sided."""

    @property
    def plays(self) -> int:
        """Plays of each policy behind it."""
        return len(self.rows) * self.samples

    def open_rows(self, paired: Paired) -> Ints:
        """List its rows that have not been played often enough."""
        return self.rows[paired.plays[self.rows] < self.samples]


@dataclass(frozen=True)
class Looks:
    """When to look and what may be spent."""

    first: int
    """Tasks of the suite at the first look."""
    most: int
    """Plays a task at the last one."""
    error: float
    """One-sided, of all looks together."""
    spending: float = SPENDING
    """Power of the plays in what each look may spend."""

    def steps(self, rows: Ints, tasks: int) -> tuple[PartLook, ...]:
        """List the looks at some rows of a suite of so many tasks; one that would show nothing new is left out."""
        planned: list[tuple[int, Ints, int]] = []
        for number, look in enumerate(ladder(self.first, tasks, self.most)):
            inside = rows[rows < look.tasks]
            before = len(planned[-1][1]) * planned[-1][2] if planned else 0
            if len(inside) >= FEWEST and len(inside) * look.samples > before:
                planned.append((number, inside, look.samples))
        errors = shares([len(inside) * samples for _, inside, samples in planned], self.spending)
        return tuple(PartLook(*step, self.error * share) for step, share in zip(planned, errors, strict=True))


@dataclass(frozen=True)
class MarginTest:
    """Is the candidate worse by a margin on some of the tasks?"""

    name: str
    rows: Ints
    margin: float
    decides: bool = True
    beside: str = ""
    """The former champion that the candidate is compared with; empty for the present one."""


@dataclass(frozen=True)
class ComparisonResult:
    """What was found, and the look that would tell more."""

    part: GatePart
    next: PartLook | None
    """None where it is decided, or where there is no further look."""
    open: Ints = field(default_factory=lambda: NOTHING)
    """Rows that the next look lacks."""


def compare(question: MarginTest, paired: Paired, looks: Looks) -> ComparisonResult:
    """Say whether the candidate is not worse by the margin, is, or whether that is open; the first clear look counts.

    A look counts once all of its tasks have been played, so that it stays as it was once made.
    """
    verdict, bound, last, error = GateVerdict.INCONCLUSIVE, -1.0, 0, 0.0
    after, lacking = None, NOTHING
    steps = looks.steps(question.rows, len(paired.entries))
    for step in steps:
        lacking = step.open_rows(paired)
        if len(lacking):
            after = step
            break
        differences = _differences(paired, step.rows, step.samples)
        verdict, bound = verdict_of(*bounds(differences, step.samples, step.error), question.margin)
        if len(step.rows) == len(question.rows) and not differences.any():
            verdict = GateVerdict.HOLDS  # there is no task on which the two differ
        last, error = step.plays, step.error
        if verdict is not GateVerdict.INCONCLUSIVE:
            break
    left = sum(step.error for step in steps if step.plays > last)
    fields: Values = {"verdict": verdict, "bound": bound, "look": last, "spent": error, "left": left}
    return ComparisonResult(GatePart(**fields, **described(question, paired)), after, lacking)


@dataclass(frozen=True)
class Improvement:
    """Whether the candidate is better beyond doubt."""

    chance: float = 1.0
    """The one-sided p value of "no better" at the last look."""
    spent: float = 0.0
    """The error that it was held against."""
    left: float = 0.0
    """The error of later looks."""
    shown: bool = False
    next: PartLook | None = None
    """The look that could still show it; None where it is shown, hopeless, or the last look is done."""
    open: Ints = field(default_factory=lambda: NOTHING)
    """Rows that the next look lacks."""


HOPE: Final = 1.645
"""Standard errors by which the true gain may lie above the seen one before a gain counts as hopeless."""


def gain(paired: Paired, rows: Ints, looks: Looks) -> Improvement:
    """Test "no better" at every look; the first that is beyond its error counts."""
    steps = looks.steps(rows, len(paired.entries))
    improvement, hope = Improvement(left=looks.error), True
    for index, step in enumerate(steps):
        left = sum(step.error for step in steps[index + 1 :])
        lacking = step.open_rows(paired)
        if len(lacking):
            return replace(improvement, next=step, open=lacking) if hope else improvement
        champion, candidate = paired.at(step.rows, step.samples)
        gains = candidate - champion
        p = chance(gains)
        improvement = Improvement(p, step.error, left, shown=p <= step.error)
        hope = bool(hopeful(gains[gains > 0].sum(), -gains[gains < 0].sum(), step, steps[-1]))
        if improvement.shown:
            break
    return improvement


def hopeful(won: Counts, lost: Counts, seen: PartLook, last: PartLook) -> Bools:
    """Whether the last look would rather show the gain, were it as great as what was seen lets one hope.

    Args:
        won: plays that the candidate won more than the champion, at the tasks where it won more; any shape.
        lost: the same of the champion.
        seen: the look that they are from.
        last: the last look.
    """
    mean = (won - lost) / seen.plays
    spread = (won + lost) / seen.plays - mean**2 + 2 / seen.plays  # as with one task won besides, and one lost
    part = seen.plays / last.plays
    score = mean * np.sqrt(seen.plays / spread)
    awaited = score * np.sqrt(part) + (score + HOPE) * (1 - part) / np.sqrt(part)
    hope: Bools = awaited >= -ndtri(last.error)
    return hope


def _differences(paired: Paired, rows: Ints, samples: int) -> Floats:
    champion, candidate = paired.at(rows, samples)
    return (candidate - champion) / samples


def verdict_of(low: float, high: float, margin: float) -> tuple[GateVerdict, float]:
    """Read a verdict off the bounds, and name the bound that it rests on."""
    if low > -margin:
        return GateVerdict.HOLDS, low
    if high < -margin:
        return GateVerdict.FAILS, high
    return GateVerdict.INCONCLUSIVE, low


def described(question: MarginTest, paired: Paired) -> Values:
    """Give the rates and their interval over the tasks that both have played, with the plays that each of them has."""
    rows = question.rows[paired.plays[question.rows] > 0]
    samples = int(paired.plays[rows].min()) if len(rows) else 0
    champion, candidate = paired.at(rows, samples) if samples else (np.zeros(0), np.zeros(0))
    old, new = champion / max(1, samples), candidate / max(1, samples)
    low, high = bounds(new - old, max(1, samples), INTERVAL)
    return {
        "name": question.name,
        "champion_rate": _mean(old),
        "candidate_rate": _mean(new),
        "difference": _mean(new - old),
        "low": low,
        "high": high,
        "margin": question.margin,
        "tasks": len(rows),
        "samples": samples,
        "total": len(question.rows),
        "won": int((new > old).sum()),
        "lost": int((new < old).sum()),
        "decides": question.decides,
        "beside": question.beside,
    }


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else 0.0
