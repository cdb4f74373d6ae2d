"""What a teacher is beyond a player: paid for, limited, and able to say whether it is fit for work.

A new teacher is one file: a class that derives from `Teacher`, with `name` and `open`. Everything else has a default
that fits a teacher without a price or a limit.
"""

from abc import abstractmethod
from typing import ClassVar

from pydantic import ConfigDict

from loop.types import Chat, Record, Task, Usage
from teachers.base.finding import ProbeFinding
from teachers.budget.limits import Window

CHARACTERS_PER_TOKEN = 3.5


class Teacher(Record):
    """A player that knows better, at a price. Fields are settings; none of them is a secret."""

    model_config = ConfigDict(allow_inf_nan=False)

    aside: ClassVar[frozenset[str]] = frozenset()
    """Settings that no answer depends on: keys, prices, patience. Scores under other values of all the rest do not
    compare."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name in the store."""

    @abstractmethod
    def open(self, task: Task, seed: int) -> Chat:
        """Begin a conversation about a task."""

    @property
    def credential(self) -> str | None:
        """Names whatever its provider counts against; teachers that share it share budget and rest. None when free."""
        return None

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment's variables that a worker needs to play it; everything else is kept from it."""
        return ()

    def estimate(self, task: Task) -> Usage:
        """Foresee a play at its worst, in tokens and US dollars: what is reserved before it starts."""
        del task
        return Usage()

    def secrets(self) -> tuple[str, ...]:
        """Read its keys, so that they are kept out of the store and the log; those that cannot be read are left out."""
        return ()

    def windows(self) -> tuple[Window, ...]:
        """Ask the provider how much of its quota is used, without a model call. Empty where it does not say.

        Raises:
            ProviderError: the provider cannot be asked.
        """
        return ()

    def cheaper_at(self, now: float) -> float | None:
        """When prices fall next, in seconds since the epoch; None while they are low or do not change."""
        del now
        return None

    def check(self) -> tuple[ProbeFinding, ...]:
        """Examine set-up and safety without a model call; reaches no further than this machine."""
        return ()


def estimated_play(task: Task, *, base_tokens: int, answer_tokens: int) -> Usage:
    """Foresee a play's tokens: every step sends the whole conversation again.

    A step past the plan is foreseen for each turn, and half as many again for looks and repairs.
    """
    steps = (len(task.plan) * 3) // 2 + 2 * len(task.turns)
    words = sum(len(turn.user) for turn in task.turns) / CHARACTERS_PER_TOKEN
    prompt = base_tokens + int(words) + answer_tokens * steps // 2
    return Usage(prompt_tokens=prompt * steps, completion_tokens=answer_tokens * steps, requests=steps)
