"""Format: is what each message holds exactly what was run and read?

A call that could not be read, or that names a tool that was not offered, is a fault. So is whatever a message holds
besides its calls and its text: half a call, a second one that was not run, a result that the player made up, thinking,
another speaker's turn. A row teaches all of a message, so that such a play would teach what never happened. The text of
every message is read once more by the reader of the student's answers, whoever said it and however it was stored.

The reader is lenient, and says so: every forgiving rule that was needed is on the message.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from checkers.evidence.turns import PlayedTurn, turns_of
from loop.templates.parse import parse
from loop.types import Catalogue, Message, Record, Task, Trajectory, Verdict

__all__ = ["Format"]


class Format(Record):
    """Judges what the messages hold."""

    native_only: bool = False
    """Whether a call that needed a forgiving rule fails the play."""

    version: ClassVar[int] = 3

    @property
    def name(self) -> str:
        """The name in the store."""
        return "format"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Count faults and forgiving rules; the first fault is the reason."""
        played = turns_of(trajectory)
        said = [step.said for turn in played for step in turn.steps]
        lenient = Counter(rule for message in said for rule in message.leniencies)
        faults = [*_faults(task, played, trajectory.catalogue)]
        if self.native_only and lenient:
            faults.append(f"calls needed {', '.join(sorted(lenient))}")
        clean = sum(not message.leniencies and not message.fault for message in said)
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not faults,
            score=clean / len(said) if said else 0.0,
            reason=faults[0] if faults else "every message holds what was run and read",
            evidence={"leniencies": dict(lenient), "faults": [*faults[:20]]},
        )


def _faults(task: Task, played: Sequence[PlayedTurn], catalogue: Catalogue) -> Iterator[str]:
    offered = set(task.tools)
    for number, turn in enumerate(played, start=1):
        offered.update(turn.user.adds)
        for step in turn.steps:
            if fault := step.said.fault or _too_early(step.said) or _left_over(step.said, catalogue):
                yield f"turn {number}: {fault}"
            yield from (
                f"turn {number}: {call.name} was not on offer" for call in step.said.calls if call.name not in offered
            )


def _too_early(said: Message) -> str | None:
    """Say whether something was said behind a call, before its result could be read."""
    return "text stands behind a call, whose result was not read yet" if "text_behind_call" in said.leniencies else None


def _left_over(said: Message, catalogue: Catalogue) -> str | None:
    """Say what the text of a message holds that is no text."""
    parsed = parse(said.content, catalogue)
    if parsed.calls:
        return f"{parsed.calls[0].name} was called in the text, and not run"
    return parsed.fault or ("thinking stands in the text" if parsed.reasoning else None)
