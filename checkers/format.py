"""Format: were the calls in the model's native form, and for tools that were on offer?

The parser of a player's answers is lenient, and says so: every forgiving rule that was needed is on the message. A
call that could not be read at all, or that names a tool that was not offered, is a fault.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from checkers.evidence.turns import PlayedTurn, turns_of
from loop.types import Record, Task, Trajectory, Verdict

__all__ = ["Format"]


class Format(Record):
    """Judges how the calls were spelt."""

    native_only: bool = False
    """Whether a call that needed a forgiving rule fails the play."""

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """The name in the store."""
        return "format"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Count faults and forgiving rules; the first fault is the reason."""
        played = turns_of(trajectory)
        said = [step.said for turn in played for step in turn.steps]
        lenient = Counter(rule for message in said for rule in message.leniencies)
        faults = [*_faults(task, played)]
        if self.native_only and lenient:
            faults.append(f"calls needed {', '.join(sorted(lenient))}")
        clean = sum(not message.leniencies and not message.fault for message in said)
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not faults,
            score=clean / len(said) if said else 0.0,
            reason=faults[0] if faults else "every call could be read",
            evidence={"leniencies": dict(lenient), "faults": [*faults[:20]]},
        )


def _faults(task: Task, played: Sequence[PlayedTurn]) -> Iterator[str]:
    offered = set(task.tools)
    for number, turn in enumerate(played, start=1):
        offered.update(turn.user.adds)
        for step in turn.steps:
            if step.said.fault:
                yield f"turn {number}: {step.said.fault}"
            yield from (
                f"turn {number}: {call.name} was not on offer" for call in step.said.calls if call.name not in offered
            )
