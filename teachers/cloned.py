"""The baseline that experiments compare with: a data set's gold calls, cloned without interleaving.

Benchmarks give for each turn the calls that are right, arguments and all, as if everything were known beforehand. A
student taught by them never sees that a value comes from a result. Where the plan's arguments do, this player is
blind: the outcome is right, the data flow is not. It teaches nothing unless a configuration asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loop.errors import FailureKind, ProviderError
from loop.plan import PlanError, closing, turns
from loop.types import Call, Catalogue, Message, Reply, Result, Task
from task_generators.backends.worlds import open_world
from teachers.base.teacher import Teacher

__all__ = ["Cloned"]


class Cloned(Teacher):
    """Makes all calls of a turn at once, with the arguments that they have in a rehearsal."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "cloned"

    def open(self, task: Task, seed: int) -> "ClonedChat":
        """Look the gold calls up by running the plan in a private world.

        Raises:
            ProviderError: BAD_INPUT, the plan refers to something that the results do not hold.
        """
        del seed  # gold does not vary
        gold: list[tuple[Call, ...]] = []
        endings: list[str] = []
        results: list[Result] = []
        try:
            run = turns(task, open_world(task.backends, task.initial))
            for turn, (calls, answers) in zip(task.turns, run, strict=True):
                gold.append(calls)
                results += answers
                endings.append(closing(turn, results))
        except PlanError as error:
            raise ProviderError(FailureKind.BAD_INPUT, str(error)) from error
        return ClonedChat(tuple(gold), tuple(endings))


@dataclass(frozen=True)
class ClonedChat:
    """One play."""

    gold: tuple[tuple[Call, ...], ...]
    """Per turn, its calls."""
    endings: tuple[str, ...]
    """Per turn, the message that closes it."""

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Make the turn's calls, or close it once they were answered."""
        del catalogue  # gold knows its tools
        turn = sum(message.role == "user" for message in messages) - 1
        if self.gold[turn] and messages[-1].role == "user":
            return Reply(message=Message(role="assistant", content="", calls=self.gold[turn]))
        return Reply(message=Message(role="assistant", content=self.endings[turn]))
