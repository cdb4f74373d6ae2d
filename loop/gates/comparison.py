"""One question to paired scores, asked again with every doubling of the plays: is the candidate worse by a margin?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from loop.gates.looks import ladder, share
from loop.gates.pairing import Floats, Paired
from loop.gates.statistics import bounds, chance, resamples
from loop.types import GatePart, GateVerdict

Values = dict[str, Any]
INTERVAL = 0.025
"""Error of each side of the interval that is shown."""


@dataclass(frozen=True)
class Looks:
    """When to look and what may be spent."""

    first: int
    most: int
    error: float
    """One-sided, of all looks together."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Plays a task at which to look."""
        return ladder(self.first, self.most)

    def up_to(self, plays: int) -> list[tuple[int, float]]:
        """List the looks that `plays` a task allow, each with its error."""
        return [(rung, self.error * share(rung, self.rungs)) for rung in self.rungs if rung <= plays]

    def after(self, seen: int) -> float:
        """Sum the error that is kept for the looks after `seen` plays a task."""
        return self.error * sum(share(rung, self.rungs) for rung in self.rungs if rung > seen)


def compare(name: str, paired: Paired, margin: float, looks: Looks, weights: Floats | None = None) -> GatePart:
    """Say whether the candidate is not worse by `margin`, is, or whether that is open; the first clear look counts.

    Only the samples that every task has enter a look, so that a look once made stays as it was. `weights` are
    `resamples(tasks + 2)`, for who compares often.
    """
    weights = resamples(len(paired.tasks) + 2) if weights is None else weights
    verdict, bound, seen, error = GateVerdict.INCONCLUSIVE, -1.0, 0, 0.0
    for seen, error in looks.up_to(_common(paired)):
        low, high = bounds(_differences(paired, seen), seen, error, weights)
        verdict, bound = verdict_of(low, high, margin)
        if verdict is not GateVerdict.INCONCLUSIVE:
            break
    found: Values = {"verdict": verdict, "bound": bound, "look": seen, "spent": error, "left": looks.after(seen)}
    return GatePart(**found, **_described(name, paired, margin, weights))


def gain(paired: Paired, looks: Looks) -> tuple[float, float, bool]:
    """Test "no better" at every look: the p value, the error it is held against, and whether one look was beyond it."""
    p, error = 1.0, 0.0
    for seen, error in looks.up_to(_common(paired)):
        champion, candidate = paired.at(seen)
        p = chance(candidate - champion)
        if p <= error:
            return p, error, True
    return p, error, False


def _common(paired: Paired) -> int:
    return int(paired.plays.min()) if paired.tasks else 0


def _differences(paired: Paired, samples: int) -> Floats:
    champion, candidate = paired.at(samples)
    return (candidate - champion) / samples


def verdict_of(low: float, high: float, margin: float) -> tuple[GateVerdict, float]:
    """Read a verdict off the bounds, and name the bound that it rests on."""
    if low > -margin:
        return GateVerdict.HOLDS, low
    if high < -margin:
        return GateVerdict.FAILS, high
    return GateVerdict.INCONCLUSIVE, low


def _described(name: str, paired: Paired, margin: float, weights: Floats) -> Values:
    old, new = paired.rates()
    low, high = bounds(new - old, max(1, _common(paired)), INTERVAL, weights)
    return {
        "name": name,
        "champion_rate": _mean(old),
        "candidate_rate": _mean(new),
        "difference": _mean(new - old),
        "low": low,
        "high": high,
        "margin": margin,
        "tasks": len(paired.tasks),
        "samples": _common(paired),
    }


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else 0.0
