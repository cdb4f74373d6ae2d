"""A task's plan, run once in a fresh world: what a right player's calls bring about and what they answer."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import JsonValue

from loop.errors import LoopdError
from loop.plan import PlanError, derive, turns
from loop.types import Call, From, Result, Task, Turn
from task_generators.backends.values import Snapshot
from task_generators.backends.worlds import open_world

REMEMBERED: Final = 4
"""Plans that are kept: the plays of one task come one after another, and several checkers ask."""


class PlannedTurn(NamedTuple):
    """What a plan brings about in one turn."""

    calls: tuple[Call, ...]
    results: tuple[Result, ...]
    answer: tuple[JsonValue, ...]
    """What the closing message is to tell."""
    end: int
    """How many calls the plan has made by the end of this turn."""
    state: Mapping[str, Snapshot]
    """Where every backend stood afterwards."""


class PlanRun(NamedTuple):
    """A task's plan, run. Where it cannot be, `fault` says why, and the turns are those that could."""

    task: Task
    turns: Sequence[PlannedTurn]
    fault: str = ""

    @property
    def calls(self) -> list[Call]:
        """Every call, in order."""
        return [call for turn in self.turns for call in turn.calls]

    @property
    def results(self) -> list[Result]:
        """What they answered."""
        return [result for turn in self.turns for result in turn.results]


_remembered: list[PlanRun] = []


def plan_of(task: Task) -> PlanRun:
    """Give the run of a task's plan. The last few are remembered."""
    for run in _remembered:
        if run.task is task or run.task.id == task.id:
            return run
    found = _run(task)
    _remembered[:] = [found, *_remembered[: REMEMBERED - 1]]
    return found


def _run(task: Task) -> PlanRun:
    planned: list[PlannedTurn] = []
    try:
        world = open_world(task.backends, task.initial)
        results: list[Result] = []
        state: Mapping[str, Snapshot] = {}
        for turn, (calls, answers) in zip(task.turns, turns(task, world), strict=True):
            results += answers
            state = state if state and world.stands_at(state) else world.snapshot()
            planned.append(PlannedTurn(calls, answers, _answer(turn, results), len(results), state))
    except LoopdError as error:
        return PlanRun(task, planned, str(error))
    return PlanRun(task, planned)


def _answer(turn: Turn, results: Sequence[Result]) -> tuple[JsonValue, ...]:
    """Fill in what a turn's closing message is to tell.

    Raises:
        PlanError: the results do not hold it.
    """
    try:
        return tuple(derive(each, results) if isinstance(each, From) else each for each in turn.answer)
    except (LookupError, TypeError, ValueError, ArithmeticError, StopIteration) as error:
        raise PlanError(f"the answer to {turn.user[:80]!r}: {type(error).__name__}: {error}") from error
