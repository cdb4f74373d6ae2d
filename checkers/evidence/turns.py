"""A trajectory as its turns and steps: what every checker reads."""

from collections.abc import Sequence
from typing import NamedTuple

from loop.types import Call, Message, Task, Trajectory, Verdict


class AssistantStep(NamedTuple):
    """One assistant message, and the tool messages that answer its calls."""

    said: Message
    answers: list[Message]


class PlayedTurn(NamedTuple):
    """What the player did between one user message and the next."""

    user: Message
    steps: list[AssistantStep]
    calls: list[Call]
    """Every call of the turn, in order."""
    answers: list[Message]
    """Every tool message of the turn, in order."""

    @property
    def closed(self) -> bool:
        """Whether its last message is the player's own, without a call."""
        return bool(self.steps) and not self.steps[-1].said.calls


def turns_of(trajectory: Trajectory) -> list[PlayedTurn]:
    """Cut a trajectory at its user messages. What stands before the first belongs to no turn."""
    turns: list[PlayedTurn] = []
    steps: list[AssistantStep] = []
    calls: list[Call] = []
    answers: list[Message] = []
    step: list[Message] = []
    for message in trajectory.messages:
        role = message.role
        if role == "tool":
            step.append(message)
            answers.append(message)
        elif role == "assistant":
            step = []
            steps.append(AssistantStep(message, step))
            calls.extend(message.calls)
        elif role == "user":
            steps, calls, answers, step = [], [], [], []
            turns.append(PlayedTurn(message, steps, calls, answers))
    return turns


def shape_fault(task: Task, turns: Sequence[PlayedTurn]) -> str | None:
    """Say where a trajectory is no play of this task at all; None where it may be one.

    It may end early (the step cap), but the turns that it has are the task's, and every call has its answer.
    """
    if len(turns) > len(task.turns):
        return f"it has {len(turns)} turns, the task {len(task.turns)}"
    for number, (turn, played) in enumerate(zip(task.turns, turns, strict=False), start=1):
        if played.user.content != turn.user:
            return f"turn {number}: the user says something else in the task"
        for step in played.steps:
            if len(step.said.calls) != len(step.answers):
                return f"turn {number}: a call has no answer, or an answer no call"
        if len(played.calls) != len(played.answers):
            return f"turn {number}: an answer stands before the first call"
    return None


def among_played(verdict: Verdict, trajectory: Trajectory) -> bool:
    """Whether the turn that a verdict found wrong, from 1 in its evidence, is one that was played."""
    turn = verdict.evidence.get("turn")
    return isinstance(turn, int) and turn <= len(turns_of(trajectory))
