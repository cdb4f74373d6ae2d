"""The scripted teacher: plays a task's plan step by step, as a good student would.

Each step is one call built from what the tools really answered, never from what the plan's author expected: call,
read, use. Each turn ends with a message without a call. Its plays show the student the interleaving that cloned gold
lacks, and cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loop.canonical import NotJson, parse
from loop.errors import FailureKind, ProviderError
from loop.plan import resolve
from loop.types import Call, Catalogue, Message, PlannedCall, Record, Reply, Result, Task

__all__ = ["Scripted"]

UNPLAYED = Result(ok=False, value=None)
"""Stands for the result of a step that has not been played yet."""


class Move(Record):
    """One call of a play: a step of the plan, or a call beside it."""

    call: PlannedCall
    step: int | None = None
    """Index in `Task.plan`; None for a call that the plan does not have."""


Script = tuple[tuple[Move, ...], ...]
"""Per turn, the calls to make."""


class Scripted(Record):
    """Plays plans. A task whose plan cannot be played is reported as such, never as a bad play."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "scripted"

    def open(self, task: Task, seed: int) -> "ScriptedChat":
        """Begin a play of the task's plan."""
        del seed
        return ScriptedChat(task, script_of(task))


@dataclass(frozen=True)
class ScriptedChat:
    """One play. It keeps nothing: where it is, and what it knows, stands in the messages."""

    task: Task
    script: Script

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Make the next call of the turn, or close it.

        Raises:
            ProviderError: the plan refers to something that the results do not hold.
        """
        del catalogue  # the plan knows its tools
        turn = sum(message.role == "user" for message in messages) - 1
        moves = self.script[turn]
        done = calls_since_user(messages)
        if done == len(moves):
            return Reply(message=Message(role="assistant", content=self.task.turns[turn].closing))
        call = self._build(moves[done], results_of(self.script, messages))
        return Reply(message=Message(role="assistant", content="", calls=(call,)))

    def _build(self, move: Move, results: Sequence[Result]) -> Call:
        try:
            return resolve(move.call, results)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise ProviderError(
                FailureKind.BAD_INPUT, f"task {self.task.id[:12]}: plan call {move.step} ({move.call.name}): {error}"
            ) from error


def script_of(task: Task) -> Script:
    """Lay the plan out as it stands."""
    steps = iter(range(len(task.plan)))
    return tuple(tuple(Move(call=call, step=next(steps)) for call in turn.plan) for turn in task.turns)


def calls_since_user(messages: Sequence[Message]) -> int:
    """Count the calls of the present turn."""
    made = 0
    for message in messages:
        made = 0 if message.role == "user" else made + len(message.calls)
    return made


def results_of(script: Script, messages: Sequence[Message]) -> tuple[Result, ...]:
    """Order the results so far as the plan counts them."""
    answers = [result_of(message) for message in messages if message.role == "tool"]
    moves = [move for turn in script for move in turn]
    found = {move.step: answer for move, answer in zip(moves, answers, strict=False) if move.step is not None}
    return tuple(found.get(step, UNPLAYED) for step in range(max(found, default=-1) + 1))


def result_of(message: Message) -> Result:
    """Read a tool message back: JSON where it is JSON, otherwise the text."""
    try:
        return Result(ok=message.ok is not False, value=parse(message.content))
    except NotJson:
        return Result(ok=message.ok is not False, value=message.content)
