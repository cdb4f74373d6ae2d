"""The retention gate: what the candidate could do before, it still does, at no greater length, near its base."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from loop.gates.comparison import INTERVAL, NOTHING, ComparisonResult, verdict_of
from loop.gates.judging import Judging, trained
from loop.gates.pairing import Floats, Ints, Paired, by_backend, by_family
from loop.gates.statistics import FEWEST, mean_bounds
from loop.types import Entry, GatePart, Id, Score

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

    def _groups(self, entries: Sequence[Entry]) -> Mapping[str, Ints]:
        return by_family(entries) if self.categories == "family" else by_backend(entries)

    def _margin(self, group: str) -> float:
        del group
        return self.category_margin

    def _measured(
        self, paired: Paired, champion: Sequence[Score], candidate: Sequence[Score]
    ) -> list[ComparisonResult]:
        bounds = [(name, 1 + rise, 0.0) for name, rise in self.rises.items()]
        bounds += [(name, 0.0, limit) for name, limit in self.limits.items()]
        steps = self.looks.steps(trained(paired.entries), len(paired.entries))
        more = next((step for step in steps if len(step.open_rows(paired))), None)
        lacking = NOTHING if more is None else more.open_rows(paired)
        tasks = {paired.entries[row].task for row in trained(paired.entries)}
        rows = [(name, times, limit, *_table(name, tasks, champion, candidate)) for name, times, limit in bounds]
        return [
            ComparisonResult(
                self._part(name, old, new, times * old + limit, self.level / max(1, len(steps))), more, lacking
            )
            for name, times, limit, old, new in rows
            if len(new) >= FEWEST
        ]

    def _part(self, name: str, old: Floats, new: Floats, allowed: Floats, error: float) -> GatePart:
        """Compare a measure, task by task, with what is allowed; the signs are turned, since less is better."""
        low, high = mean_bounds(new - old, INTERVAL)
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
            look=len(new),
            spent=error,
            left=self.level - error,
            unit=name,
        )


def _table(
    name: str, tasks: Collection[str], champion: Sequence[Score], candidate: Sequence[Score]
) -> tuple[Floats, Floats]:
    """Average a measure per task, over those of the tasks that both have: champion's, candidate's."""
    old, new = _means(name, champion), _means(name, candidate)
    both = sorted(old.keys() & new.keys() & set(tasks))
    return np.array([old[task] for task in both]), np.array([new[task] for task in both])


def _means(name: str, scores: Sequence[Score]) -> dict[str, float]:
    by_task: dict[str, list[float]] = {}
    for score in scores:
        if name in score.measures:
            by_task.setdefault(score.task, []).append(score.measures[name])
    return {task: float(np.mean(values)) for task, values in by_task.items()}
