"""Outcome: did the play bring about what the plan brings about?

The trajectory's calls run again in a fresh world, beside the task's plan in another, turn by turn. After each turn the
two states must be equal, the player must stand where the plan's does, and what was looked at must have been seen, in
any order and by whatever tool. So extra harmless looks are allowed, and another way to the same end is right; what a
play changes on the way and takes back is not. With `abstain` off and `exact_numbers` on this is the judgement of
`multi_turn_checker` in BFCL (Patil et al., 2025); docs/worlds.md lists where the two differ.
"""

from typing import ClassVar

from checkers.evidence.ends import EndFault, Ends
from checkers.evidence.turns import among_played, shape_fault, turns_of
from loop.types import Record, Task, Trajectory, Verdict

__all__ = ["Outcome"]


class Outcome(Record):
    """Judges a play by the states and the answers that its calls bring about."""

    abstain: bool = True
    """Whether a call fails a turn whose plan is empty. BFCL's checker leaves that to another one."""
    exact_numbers: bool = False
    """Whether states and answers are compared as BFCL's checker does: every answer of the plan, as a text, so that 100
    is not 100.0; nothing of where the player stands, of what was changed on the way, of other databases."""

    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """The name in the store."""
        return "outcome"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Run both again and compare them after every turn. A task whose plan cannot be run is passed by nobody."""
        played = turns_of(trajectory)
        if problem := shape_fault(task, played):
            return self._verdict(task, 0, EndFault("shape", f"this is no play of the task: {problem}"))
        ends = Ends(abstain=self.abstain, exact_numbers=self.exact_numbers)
        return self._verdict(task, *(ends.first_fault(task, played) or (len(task.turns), None)))

    def doomed(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether a turn that was played ended otherwise than the plan's: BFCL fails the play for it."""
        return among_played(self.check(task, trajectory), trajectory)

    def _verdict(self, task: Task, right: int, fault: EndFault | None) -> Verdict:
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=fault is None,
            score=right / len(task.turns),
            reason=f"turn {right + 1}: {fault.detail}" if fault else "every turn ends as the plan's does",
            evidence={"turn": right + 1, "kind": fault.kind} if fault else {},
        )
