"""The scripted teacher: plays a task's plan step by step, as a good student would.

Each step is one call built from what the tools really answered, never from what the plan's author expected: call,
read, use. Each turn ends with a message without a call. Its plays show the student the interleaving that cloned gold
lacks, and cost nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from loop.errors import FailureKind, ProviderError
from loop.plan import PlanError, closing, resolve
from loop.types import Call, Catalogue, Message, Reply, Result, Task
from task_generators.backends.functions_backend import FUNCTIONS
from teachers.base.teacher import Teacher
from teachers.script.steps import Script, ScriptedCall, calls_since_user, results_of, script_of
from teachers.script.variations import Variety, varied

__all__ = ["Scripted"]


class Scripted(Teacher):
    """Plays plans. A task whose plan cannot be played is reported as such, never as a bad play.

    The three shares make its plays less alike; each lies in 0..1, and the play's seed decides. A variation is only
    made where a rehearsal in a private world shows that it changes neither the state nor any result of the plan.
    """

    look_first: float = Field(default=0.0, ge=0, le=1)
    """Share of plays that begin with a harmless look around."""
    mistake: float = Field(default=0.0, ge=0, le=1)
    """Share of plays that forget an argument once, read the error, and mend it."""
    vary_order: float = Field(default=0.0, ge=0, le=1)
    """Share of plays that make a turn's independent calls in another order."""
    say_plan: bool = False
    """Name a turn's calls, in order, in its first message: a student that learns it shows what it took a request for.
    It wins no more plays by it (docs/lab/quickstart.md)."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "scripted"

    def open(self, task: Task, seed: int) -> "ScriptedChat":
        """Begin a play of the task's plan."""
        variety = Variety(look_first=self.look_first, mistake=self.mistake, vary_order=self.vary_order)
        script = varied(task, variety, seed) if variety.any else script_of(task)
        return ScriptedChat(task, script, self.say_plan)


@dataclass(frozen=True)
class ScriptedChat:
    """One play. It keeps nothing: where it is, and what it knows, stands in the messages."""

    task: Task
    script: Script
    say_plan: bool = False

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Make the next call of the turn, or close it. A single-turn question gets all its calls in one message.

        Raises:
            ProviderError: BAD_INPUT, the plan refers to something that the results do not hold.
        """
        del catalogue  # the plan knows its tools
        turn = sum(message.role == "user" for message in messages) - 1
        moves, done = self.script[turn], calls_since_user(messages)
        results = results_of(self.script, messages)
        if done == len(moves):
            return Reply(message=Message(role="assistant", content=self._close(turn, results)))
        at_once = FUNCTIONS in self.task.backends
        calls = tuple(self._build(move, results) for move in (moves[done:] if at_once else moves[done : done + 1]))
        said = plan_text(moves) if self.say_plan and not done and not at_once else ""
        return Reply(message=Message(role="assistant", content=said, calls=calls))

    def _build(self, move: ScriptedCall, results: Sequence[Result]) -> Call:
        try:
            return resolve(move.call, results)
        except PlanError as error:
            raise self._unplayable(error) from error

    def _close(self, turn: int, results: Sequence[Result]) -> str:
        try:
            return closing(self.task.turns[turn], results)
        except PlanError as error:
            raise self._unplayable(error) from error

    def _unplayable(self, error: PlanError) -> ProviderError:
        return ProviderError(FailureKind.BAD_INPUT, f"task {self.task.id[:12]}: its plan cannot be played: {error}")


def plan_text(moves: Sequence[ScriptedCall]) -> str:
    """Spell the names of a turn's planned calls as a call spells them: the same tokens are copied, not translated."""
    return f"Plan: {', '.join(json.dumps(move.call.name) for move in moves if move.step is not None)}"
