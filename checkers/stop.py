"""Stop: does every turn end with a message without a call, neither too late nor too early?

Knowing when to stop is learned behaviour. A play that goes on until the step cap over-runs; one that closes a turn
before it has called what the turn's plan needs stops too soon. The two are told apart: they want opposite cures. Who
brought the turn's end about by other calls has not stopped too soon.
"""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from checkers.evidence.ends import Ends
from checkers.evidence.turns import PlayedTurn, among_played, shape_fault, turns_of
from loop.types import Record, Rule, Task, Trajectory, Turn, Verdict

__all__ = ["Stop"]


class Stop(Record):
    """Judges how each turn ends."""

    rule: Rule | None = None
    """How many steps a turn may take; None for the rule that the play was played under."""
    premature: bool = True
    """Whether a turn fails that closes before it called what its plan needs. BFCL leaves that to what came about."""

    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """The name in the store."""
        return "stop"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge turn after turn: `over-run`, `premature`, `unclosed` or `unplayed` at the first that ends wrongly."""
        played = turns_of(trajectory)
        cap = (self.rule or trajectory.rule).steps_per_turn
        called: Counter[str] = Counter()
        for number, turn in enumerate(task.turns):
            fault = _end(turn, played, number, cap, called)
            if fault and (fault[0] != "premature" or (self.premature and not _is_there(task, played, number))):
                return self._verdict(task, played, number, *fault)
        return self._verdict(task, played, len(task.turns), "", "every turn ends with a message without a call")

    def doomed(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether a turn that was played ended too late or too early."""
        return among_played(self.check(task, trajectory), trajectory)

    def _verdict(self, task: Task, played: Sequence[PlayedTurn], right: int, kind: str, detail: str) -> Verdict:
        steps = [len(turn.steps) for turn in played]
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not kind,
            score=right / len(task.turns),
            reason=f"turn {right + 1}: {detail}" if kind else detail,
            evidence={"steps": steps, **({"kind": kind, "turn": right + 1} if kind else {})},
        )


def _is_there(task: Task, played: Sequence[PlayedTurn], number: int) -> bool:
    """Whether a turn ends as the plan's does, and all before it."""
    if shape_fault(task, played):
        return False
    wrong = Ends().first_fault(task, played)
    return wrong is None or wrong[0] > number


def _end(
    turn: Turn, played: Sequence[PlayedTurn], number: int, cap: int, called: Counter[str]
) -> tuple[str, str] | None:
    """Say how a turn ends wrongly, if it does. `called` counts the tools called so far, and grows by this turn's."""
    if number >= len(played):
        return "unplayed", "the play ended before this turn"
    mine = played[number]
    called.update(call.name for call in mine.calls)
    if len(mine.steps) > cap or (len(mine.steps) == cap and not mine.closed):
        return "over-run", f"it took {len(mine.steps)} steps and did not close within {cap}"
    if not mine.closed:
        return "unclosed", "its last message calls a tool"
    missing = Counter(call.name for call in turn.plan) - called
    if missing:
        return "premature", f"it closed without calling {', '.join(sorted(missing))}"
    return None
