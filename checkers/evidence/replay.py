"""A task's plan, run once, and a trajectory's calls, run again beside it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from loop.canonical import canonical
from loop.plan import turns
from loop.types import Call, Task
from task_generators.backends.values import Snapshot
from task_generators.backends.worlds import BackendWorld, open_world


class Told(NamedTuple):
    """What a call answered."""

    ok: bool
    text: str
    """The answer as the player reads it."""
    key: str
    """Equal answers have the same."""


Spelling = Callable[[JsonValue, str], str]
"""Gives the key of a value, whose canonical spelling is known."""


class PlannedTurn(NamedTuple):
    """What a task's plan brings about in one turn."""

    first: str | None
    """The tool that it calls first; None where no call is due."""
    end: int
    """How many calls the plan has made by the end of this turn."""
    need: Mapping[str, int]
    """How often each answer came, by its key."""
    state: Mapping[str, Snapshot]
    """Where every backend stood afterwards."""


class PlanRun(NamedTuple):
    """A task's plan, run."""

    task: Task
    script: Sequence[tuple[str, str, Call, Told]]
    """Every call: its name, its arguments as text, itself, and what it answered."""
    turns: Sequence[PlannedTurn]
    answers: Mapping[tuple[str, str], tuple[JsonValue, Told]]
    """By name and arguments, the value that a call of the plan answered last."""

    def known(self, call: Call, value: JsonValue, recorded: str) -> Told | None:
        """Give a value's spelling where the plan's same call answered the same, and the record says so too."""
        then, told = self.answers.get((call.name, repr(call.arguments)), (None, None))
        return told if told and told.text == recorded and then == value else None


class LastPlan:
    """Remembers the plan that was run last: the plays of one task come one after another.

    It is no part of the checker that holds it: two of them are equal, and nothing of it is sent to a worker.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._run: PlanRun | None = None

    def of(self, task: Task, key: Spelling) -> PlanRun:
        """Give the run of a task's plan.

        Raises:
            PlanError: the plan cannot be run.
        """
        last = self._run
        if last is None or (last.task is not task and last.task.id != task.id):
            last = self._run = run_plan(task, key)
        return last

    def __eq__(self, other: object) -> bool:
        """Whatever they remember, two are equal."""
        return isinstance(other, LastPlan)

    def __hash__(self) -> int:
        """Equal ones have equal hashes."""
        return 0

    def __getstate__(self) -> dict[str, None]:
        """Leave what is remembered behind."""
        return {"_run": None}


def run_plan(task: Task, key: Spelling) -> PlanRun:
    """Run a task's plan in a fresh world and keep what comes of it.

    Raises:
        PlanError: the plan cannot be run; the message names the task.
    """
    world = open_world(task.backends, task.initial)
    script: list[tuple[str, str, Call, Told]] = []
    planned: list[PlannedTurn] = []
    answers: dict[tuple[str, str], tuple[JsonValue, Told]] = {}
    state: Mapping[str, Snapshot] = {}
    for calls, results in turns(task, world):
        told = [tell(result.ok, result.value, key) for result in results]
        script += [(call.name, repr(call.arguments), call, answer) for call, answer in zip(calls, told, strict=True)]
        for call, result, answer in zip(calls, results, told, strict=True):
            answers[call.name, repr(call.arguments)] = result.value, answer
        need = Counter(answer.key for answer in told)
        state = state if state and world.stands_at(state) else world.snapshot()
        planned.append(PlannedTurn(calls[0].name if calls else None, len(script), need, state))
    return PlanRun(task, script, planned, answers)


def tell(ok: bool, value: JsonValue, key: Spelling) -> Told:  # noqa: FBT001 - the two parts of an answer
    """Spell an answer."""
    text = canonical(value)
    return Told(ok, value if isinstance(value, str) else text, key(value, text))


class Replay:
    """A trajectory's calls, running again.

    As long as they are the plan's own calls, in the plan's order, what they answer is known from the plan's run. With
    the first other call, or a turn that ends elsewhere, a world is opened and brought to that point.
    """

    def __init__(self, plan: PlanRun, key: Spelling) -> None:
        """Start where the task starts."""
        self._plan, self._key = plan, key
        self._world: BackendWorld | None = None
        self._position = 0
        self._seen: dict[str, int] = {}

    def call(self, call: Call, recorded: str) -> Told:
        """Run the next call. Values are not spelt again where that is known to give what was recorded."""
        told = self._from_plan(call)
        if told is None:
            ok, value = self._opened().answer(call)
            told = self._plan.known(call, value, recorded) or tell(ok, value, self._key)
        self._seen[told.key] = self._seen.get(told.key, 0) + 1
        return told

    def _from_plan(self, call: Call) -> Told | None:
        if self._world or self._position == len(self._plan.script):
            return None
        name, arguments, _, told = self._plan.script[self._position]
        if name != call.name or arguments != repr(call.arguments):
            return None
        self._position += 1
        return told

    def _opened(self) -> BackendWorld:
        """Open the world, and run in it what was known without it."""
        if self._world is None:
            self._world = open_world(self._plan.task.backends, self._plan.task.initial)
            for _, _, call, _ in self._plan.script[: self._position]:
                self._world.repeat(call)
        return self._world

    def difference(self, turn: PlannedTurn) -> str | None:
        """Say where the state differs from the plan's after a turn, if it does."""
        if self._world is None and self._position == turn.end:
            return None
        world = self._opened()
        return None if world.stands_at(turn.state) else world.difference(turn.state)

    def missing(self, turn: PlannedTurn) -> str | None:
        """Find an answer of the plan's turn that has not come as often so far."""
        return next((key for key, times in turn.need.items() if self._seen.get(key, 0) < times), None)
