"""Luck: does a play that came right hold in a second world of its task?

It costs as much as playing the calls again, so the profiles do not ask for it; the audit of wins does
(docs/curriculum.md). A play that did not come right in its own world is none of its business.
"""

from typing import ClassVar

from pydantic import Field

from checkers.evidence.ends import Ends
from checkers.evidence.second_world import SecondWorldResult, try_again
from checkers.evidence.turns import shape_fault, turns_of
from loop.types import Record, Task, Trajectory, Verdict

__all__ = ["Luck"]


class Luck(Record):
    """Judges whether a play came right by luck with its world."""

    worlds: int = Field(default=1, ge=1, le=20)
    """In how many other worlds it must hold."""
    seed: int = 0
    """Draws them: another seed, other worlds."""

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """The name in the store."""
        return "luck"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Make the play's calls in other worlds and compare how they end with how the plan ends there."""
        played = turns_of(trajectory)
        if shape_fault(task, played) or Ends().first_fault(task, played):
            return self._verdict([SecondWorldResult(None, "it did not come right in its own world")])
        findings: list[SecondWorldResult] = []
        for number in range(self.worlds):
            findings.append(try_again(task, trajectory, self.seed + number))
            if findings[-1].passed is False:
                break
        return self._verdict(findings)

    def _verdict(self, findings: list[SecondWorldResult]) -> Verdict:
        last, drawn = findings[-1], [finding for finding in findings if finding.passed is not None]
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=last.passed is not False,
            score=float(last.passed is not False),
            reason=last.reason if last.passed is not False else f"in a second world it ends otherwise: {last.reason}",
            evidence={"drawn": len(drawn), "held": sum(finding.passed is True for finding in drawn)},
        )
