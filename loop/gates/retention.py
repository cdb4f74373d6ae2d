"""The retention gate: what the candidate could do before, it still does, at no greater length, near its base."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from loop.gates.comparison import INTERVAL, verdict_of
from loop.gates.judging import Judging
from loop.gates.pairing import Floats, Paired, by_backend
from loop.gates.statistics import FEWEST, mean_bounds
from loop.types import GatePart, GateResult, Id, Score

__all__ = ["Retention"]


class Retention(Judging):
    """Holds a candidate that keeps every category of its suite, and every measure within its bounds.

    The categories (single turn, parallel, irrelevance …) are the tasks' families, and are judged as backends are in
    breadth. A measure that the scores do not bring is not judged, and the result lists what was.
    """

    name: Id = "retention"
    suite: Id = "abstention"
    categories: Literal["family", "backends"] = "family"
    """What a category of the suite is."""
    improves: bool = False
    category_margin: float = Field(default=0.10, gt=0, le=1)
    """The candidate may be worse by less than this on any single category."""
    rises: Mapping[str, float] = Field(default={"tokens": 0.25})
    """Measures that may rise by less than this part of the champion's mean."""
    limits: Mapping[str, float] = Field(default={"kl": 0.5})
    """Measures that must stay below this, whatever the champion's is."""

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures that the scores should bring."""
        return (*self.rises, *self.limits)

    def judge(self, champion: Sequence[Score], candidate: Sequence[Score]) -> GateResult:
        """Judge paired scores, category by category."""
        return super().judge([self._filed(score) for score in champion], [self._filed(score) for score in candidate])

    def _filed(self, score: Score) -> Score:
        by_family = self.categories == "family" and score.family
        return score.model_copy(update={"backends": (score.family,)}) if by_family else score

    def _groups(self, paired: Paired) -> Mapping[str, list[int]]:
        return by_backend(paired)

    def _margin(self, group: str) -> float:
        del group
        return self.category_margin

    def _measured(self, champion: Sequence[Score], candidate: Sequence[Score]) -> list[GatePart]:
        bounds = [(name, 1 + rise, 0.0) for name, rise in self.rises.items()]
        bounds += [(name, 0.0, limit) for name, limit in self.limits.items()]
        rows = [(name, times, limit, *_table(name, champion, candidate)) for name, times, limit in bounds]
        return [
            self._part(name, old, new, times * old + limit)
            for name, times, limit, old, new in rows
            if len(new) >= FEWEST
        ]

    def _part(self, name: str, old: Floats, new: Floats, allowed: Floats) -> GatePart:
        """Compare a measure, task by task, with what is allowed; the signs are turned, since less is better."""
        low, high = mean_bounds(new - old, INTERVAL)
        error = self._looks.error / len(self._looks.rungs)
        verdict, bound = verdict_of(*mean_bounds(allowed - new, error), 0.0)
        return GatePart(
            name=name,
            verdict=verdict,
            champion_rate=float(old.mean()),
            candidate_rate=float(new.mean()),
            difference=float((new - old).mean()),
            low=low,
            high=high,
            bound=bound,
            margin=float((allowed - old).mean()),
            tasks=len(new),
            samples=1,
            look=1,
            spent=error,
            left=self._looks.error - error,
            unit=name,
        )


def _table(name: str, champion: Sequence[Score], candidate: Sequence[Score]) -> tuple[Floats, Floats]:
    """Average a measure per task, over the tasks that both have: champion's, candidate's."""
    old, new = _means(name, champion), _means(name, candidate)
    tasks = sorted(old.keys() & new.keys())
    return np.array([old[task] for task in tasks]), np.array([new[task] for task in tasks])


def _means(name: str, scores: Sequence[Score]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for score in scores:
        if name in score.measures:
            found.setdefault(score.task, []).append(score.measures[name])
    return {task: float(np.mean(values)) for task, values in found.items()}
