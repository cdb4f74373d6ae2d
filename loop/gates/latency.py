"""How long a routed set takes for an answer, beside the champion: on plays that both made in the same round.

No configuration names it: a routed set is timed besides what the gates ask of every candidate.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from pydantic import Field

from loop.gates.comparison import INTERVAL, NOTHING, ComparisonResult, MarginTest
from loop.gates.judging import OVERALL, Judging, trained
from loop.gates.pairing import Floats, Paired
from loop.gates.statistics import FEWEST, mean_bounds
from loop.types import Entry, GatePart, GateResult, GateVerdict, Id, Score, Trial

SECONDS: Final = "seconds"
"""The measure: seconds of a play for each of its answers."""
TIMES: Final = "times"
"""The unit: how many times the champion's."""


class Latency(Judging):
    """Holds a candidate whose answers take at most `times` as long as the champion's: the geometric mean over tasks.

    A play's seconds depend on what the machine does besides, so both policies play anew for it, in the same round.
    How many tasks they pass in it is reported and decides nothing.
    """

    name: Id = "latency"
    suite: Id = "quick-breadth"
    improves: bool = False
    times: float = Field(default=1.2, gt=1, le=100)
    """An answer may take this many times as long as the champion's."""

    def judge(self, champion: Sequence[Score], candidate: Sequence[Score], trial: Trial | None = None) -> GateResult:
        """Judge paired scores of one round; without scores, say what to play first."""
        result = super().judge(champion, candidate, trial)
        part = next(part for part in result.parts if part.decides)
        return result.model_copy(update={"reason": self._said(part)})

    def questions(self, entries: Sequence[Entry]) -> tuple[MarginTest, ...]:
        """Ask about passes for the report alone."""
        return (MarginTest(OVERALL, trained(entries), self.margin, decides=False),)

    def _beside(
        self, champion: Sequence[Score], candidate: Sequence[Score], trial: Trial
    ) -> Iterator[ComparisonResult]:
        del champion, candidate, trial
        yield from ()

    def _measured(
        self, paired: Paired, champion: Sequence[Score], candidate: Sequence[Score]
    ) -> list[ComparisonResult]:
        tasks = {paired.entries[row].task for row in trained(paired.entries)}
        old, new = _seconds(champion), _seconds(candidate)
        both = sorted(old.keys() & new.keys() & tasks)
        ratios = np.log([new[task] / old[task] for task in both])
        steps = self.looks.steps(trained(paired.entries), len(paired.entries))
        more = next((step for step in steps if len(step.open_rows(paired))), None)
        part = self._part(ratios, self.level / max(1, len(steps)))
        return [ComparisonResult(part, more, NOTHING if more is None else more.open_rows(paired))]

    def _part(self, ratios: Floats, error: float) -> GatePart:
        """Compare the mean of the logarithms with what is allowed; figures are given as times the champion's."""
        allowed, some = float(np.log(self.times)), len(ratios) >= FEWEST
        low, high = mean_bounds(ratios, error) if some else (-np.inf, np.inf)
        verdict = GateVerdict.HOLDS if high <= allowed else GateVerdict.INCONCLUSIVE
        verdict = GateVerdict.FAILS if low > allowed else verdict
        interval = mean_bounds(ratios, INTERVAL) if some else (0.0, 0.0)
        mean = float(np.exp(ratios.mean())) if some else 1.0
        return GatePart(
            name=self.name,
            verdict=verdict,
            champion_rate=1.0,
            candidate_rate=mean,
            difference=mean - 1,
            low=float(np.exp(interval[0])) - 1,
            high=float(np.exp(interval[1])) - 1,
            bound=self.times - float(np.exp(low if verdict is GateVerdict.FAILS else high)) if some else 0.0,
            margin=self.times - 1,
            tasks=len(ratios),
            samples=1,
            look=len(ratios),
            spent=error,
            left=self.level - error,
            unit=TIMES,
        )

    def _said(self, part: GatePart) -> str:
        if not part.tasks:
            return f"{self.name}: no task has been played by both policies"
        word = {GateVerdict.HOLDS: "holds", GateVerdict.FAILS: "fails"}.get(part.verdict, "is inconclusive")
        interval = f"[{1 + part.low:.2f}, {1 + part.high:.2f}]"
        figures = f"an answer takes {part.candidate_rate:.2f} times the champion's {interval} over {part.tasks} tasks"
        return f"{self.name} {word}: {figures}; at most {self.times:.3g} are allowed"


def _seconds(scores: Sequence[Score]) -> Mapping[str, float]:
    """Give the seconds of each task's first play, of those that were timed."""
    timed = {score.task: score.measures.get(SECONDS, 0.0) for score in scores if not score.sample}
    return {task: seconds for task, seconds in timed.items() if seconds > 0}
