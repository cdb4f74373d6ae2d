"""A task's plan, run once in a fresh world: what a right player's calls bring about and what they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from pydantic import JsonValue

from loop.errors import LoopdError
from loop.plan import PlanError, derive, turns
from loop.types import Call, From, Result, Task, Turn
from task_generators.backends.values import Snapshot
from task_generators.backends.worlds import open_world

REMEMBERED: Final = 4
"""Plans that are kept: the plays of one task come one after another, and several checkers ask."""

State = Mapping[str, Snapshot]


class PlannedTurn(NamedTuple):
    """What a plan brings about in one turn."""

    calls: tuple[Call, ...]
    results: tuple[Result, ...]
    answer: tuple[JsonValue, ...]
    """What the closing message is to tell."""
    end: int
    """How many calls the plan has made by the end of this turn."""
    before: State
    """Where every backend stood at the beginning."""
    state: State
    """Where every backend stood afterwards."""
    places: Mapping[str, str]
    """Where the player stood afterwards, in backends that have places."""


@dataclass(frozen=True)
class PlanRun:
    """A task's plan, run. Where it cannot be, `fault` says why, and the turns are those that could."""

    task: Task
    turns: Sequence[PlannedTurn]
    fault: str = ""
    agreed: dict[tuple[str, str], bool | None] = field(default_factory=dict, compare=False)
    """What is known of pairs of statements: whether a plan's and a player's do the same on other databases."""

    @cached_property
    def calls(self) -> list[Call]:
        """Every call, in order."""
        return [call for turn in self.turns for call in turn.calls]

    @cached_property
    def results(self) -> list[Result]:
        """What they answered."""
        return [result for turn in self.turns for result in turn.results]

    @cached_property
    def passing(self) -> list[dict[str, JsonValue]]:
        """The state after every call."""
        world = open_world(self.task.backends, self.task.initial)
        steps = []
        for call in self.calls:
            world.repeat(call)
            steps.append(world.state())
        return steps

    @cached_property
    def writes(self) -> list[bool]:
        """Whether each call changed the state, or where the player stands: then that proves it, not its answer."""
        world = open_world(self.task.backends, self.task.initial)
        steps = []
        for call in self.calls:
            stood, place = world.snapshot(), world.places()
            world.repeat(call)
            steps.append(not world.stands_at(stood) or world.places() != place)
        return steps

    @cached_property
    def carried(self) -> list[frozenset[int]]:
        """For each call, the calls of the same turn that take something of its answer."""
        begins = [turn.end - len(turn.calls) for turn in self.turns for _ in turn.calls]
        takers: list[set[int]] = [set() for _ in self.calls]
        for index, planned in enumerate(self.task.plan):
            for source in planned.arguments.values():
                if isinstance(source, From) and begins[source.step] == begins[index]:
                    takers[source.step].add(index)
        return [frozenset(taker) for taker in takers]


_remembered: list[PlanRun] = []


def plan_of(task: Task) -> PlanRun:
    """Give the run of a task's plan. The last few are remembered."""
    for run in _remembered:
        if run.task is task or run.task.id == task.id:
            return run
    known = _run(task)
    _remembered[:] = [known, *_remembered[: REMEMBERED - 1]]
    return known


def _run(task: Task) -> PlanRun:
    planned: list[PlannedTurn] = []
    try:
        world = open_world(task.backends, task.initial)
        results: list[Result] = []
        state: State = world.snapshot()
        for turn, (calls, answers) in zip(task.turns, turns(task, world), strict=True):
            results += answers
            before, state = state, state if world.stands_at(state) else world.snapshot()
            end, answer = len(results), _answer(turn, results)
            planned.append(PlannedTurn(calls, answers, answer, end, before, state, world.places()))
    except LoopdError as error:
        return PlanRun(task, planned, str(error))
    return PlanRun(task, planned)


def _answer(turn: Turn, results: Sequence[Result]) -> tuple[JsonValue, ...]:
    """Fill in what a turn's closing message is to tell.

    Raises:
        PlanError: the results do not hold it.
    """
    try:
        return tuple(derive(value, results) if isinstance(value, From) else value for value in turn.answer)
    except (LookupError, TypeError, ValueError, ArithmeticError, StopIteration) as error:
        raise PlanError(f"the answer to {turn.user[:80]!r}: {type(error).__name__}: {error}") from error
