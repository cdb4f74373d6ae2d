"""A trajectory as its turns and steps: what every checker reads."""

from dataclasses import dataclass

from loop.canonical import canonical
from loop.types import Call, Message, Result, Task, Trajectory


@dataclass(frozen=True)
class Step:
    """One assistant message, and the tool messages that answer its calls."""

    said: Message
    answers: tuple[Message, ...]


@dataclass(frozen=True)
class PlayedTurn:
    """What the player did between one user message and the next."""

    user: Message
    steps: tuple[Step, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call of the turn, in order."""
        return tuple(call for step in self.steps for call in step.said.calls)

    @property
    def answers(self) -> tuple[Message, ...]:
        """Every tool message of the turn, in order."""
        return tuple(answer for step in self.steps for answer in step.answers)

    @property
    def closed(self) -> bool:
        """Whether its last message is the player's own, without a call."""
        return bool(self.steps) and not self.steps[-1].said.calls


def turns_of(trajectory: Trajectory) -> tuple[PlayedTurn, ...]:
    """Cut a trajectory at its user messages. What stands before the first belongs to no turn."""
    messages = trajectory.messages
    starts = [place for place, message in enumerate(messages) if message.role == "user"]
    ends = [*starts[1:], len(messages)]
    return tuple(
        PlayedTurn(messages[start], _steps(messages[start + 1 : end])) for start, end in zip(starts, ends, strict=True)
    )


def _steps(messages: tuple[Message, ...]) -> tuple[Step, ...]:
    starts = [place for place, message in enumerate(messages) if message.role == "assistant"]
    ends = [*starts[1:], len(messages)]
    return tuple(Step(messages[start], messages[start + 1 : end]) for start, end in zip(starts, ends, strict=True))


def shape_fault(task: Task, turns: tuple[PlayedTurn, ...]) -> str | None:
    """Say where a trajectory is no play of this task at all; None where it may be one.

    It may end early (the step cap), but the turns that it has are the task's, and every call has its answer.
    """
    if len(turns) > len(task.turns):
        return f"it has {len(turns)} turns, the task {len(task.turns)}"
    for number, (turn, played) in enumerate(zip(task.turns, turns, strict=False), start=1):
        if played.user.content != turn.user:
            return f"turn {number}: the user says something else in the task"
        if any(len(step.said.calls) != len(step.answers) for step in played.steps):
            return f"turn {number}: a call has no answer, or an answer no call"
    return None


def recorded(answer: Message, result: Result) -> bool:
    """Whether a tool message holds exactly this result."""
    text = result.value if isinstance(result.value, str) else canonical(result.value)
    return answer.content == text and (answer.ok is None or answer.ok == result.ok)
