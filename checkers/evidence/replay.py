"""A trajectory's calls, run again beside the task's plan."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from checkers.evidence.passing import stray
from checkers.evidence.plans import PlannedTurn, PlanRun
from loop.canonical import canonical
from loop.types import Call
from task_generators.backends.worlds import BackendWorld, open_world


class CallAnswer(NamedTuple):
    """What a call answered."""

    ok: bool
    text: str
    """The answer as the player reads it."""
    key: str
    """Equal answers have the same."""


class ReplayedCall(NamedTuple):
    """A call that was made again, and what it answered."""

    call: Call
    ok: bool
    value: JsonValue


Spelling = Callable[[JsonValue, str], str]
"""Gives the key of a value, whose canonical spelling is known."""


def tell(ok: bool, value: JsonValue, key: Spelling) -> CallAnswer:  # noqa: FBT001 - the two parts of an answer
    """Spell an answer."""
    text = canonical(value)
    return CallAnswer(ok, value if isinstance(value, str) else text, key(value, text))


class Script:
    """A plan's calls and answers, spelt: what plays of its task are held against."""

    def __init__(self, run: PlanRun, key: Spelling) -> None:
        """Spell every answer once."""
        self.run, self.key = run, key
        self.answers = [tell(result.ok, result.value, key) for result in run.results]
        self.calls = [(call.name, repr(call.arguments)) for call in run.calls]
        self._last: Mapping[tuple[str, str], tuple[JsonValue, CallAnswer]] = {
            call: (result.value, answer)
            for call, result, answer in zip(self.calls, run.results, self.answers, strict=True)
        }

    def need(self, turn: PlannedTurn) -> Counter[str]:
        """Count how often each answer came in a turn, by its key."""
        return Counter(answer.key for answer in self.answers[turn.end - len(turn.calls) : turn.end])

    def known(self, call: Call, value: JsonValue, recorded: str) -> CallAnswer | None:
        """Give a value's spelling where the plan's same call answered the same, and the record says so too."""
        then, answer = self._last.get((call.name, repr(call.arguments)), (None, None))
        return answer if answer and answer.text == recorded and then == value else None


class Replay:
    """A trajectory's calls, running again.

    As long as they are the plan's own calls, in the plan's order, what they answer is known from the plan's run. With
    the first other call, or a turn that ends elsewhere, a world is opened and brought to that point.
    """

    def __init__(self, script: Script) -> None:
        """Start where the task starts."""
        self._script = script
        self._world: BackendWorld | None = None
        self._position = 0
        self._seen: Counter[str] = Counter()
        self.made: list[ReplayedCall] = []
        self.strays: list[tuple[str, str]] = []
        """Calls of this turn by their tool, and the places that they changed though the turn does not want it."""
        self._turn: PlannedTurn | None = None

    def begin(self, turn: PlannedTurn | None) -> None:
        """Begin a turn; None where nobody asks for strays."""
        self._turn, self.strays = turn, []

    def call(self, call: Call, recorded: str) -> CallAnswer:
        """Run the next call. Values are not spelt again where that is known to give what was recorded."""
        answer, value = self._from_plan(call)
        if answer is None:
            ok, value = self._opened().answer(call)
            answer = self._script.known(call, value, recorded) or tell(ok, value, self._script.key)
        self._seen[answer.key] += 1
        self.made.append(ReplayedCall(call, answer.ok, value))
        if self._turn and self._world and not self.strays and (path := self._stray(self._world, self._turn)):
            self.strays.append((call.name, path))
        return answer

    def _from_plan(self, call: Call) -> tuple[CallAnswer | None, JsonValue]:
        if self._world or self._position == len(self._script.calls):
            return None, None
        if self._script.calls[self._position] != (call.name, repr(call.arguments)):
            return None, None
        self._position += 1
        return self._script.answers[self._position - 1], self._script.run.results[self._position - 1].value

    def _opened(self) -> BackendWorld:
        """Open the world, and run in it what was known without it."""
        if self._world is None:
            task = self._script.run.task
            self._world = open_world(task.backends, task.initial)
            for call in self._script.run.calls[: self._position]:
                self._world.repeat(call)
        return self._world

    def _stray(self, world: BackendWorld, turn: PlannedTurn) -> str | None:
        if world.stands_at(turn.before) or world.stands_at(turn.state):
            return None
        return stray(self._script.run, turn, world.state())

    def difference(self, turn: PlannedTurn) -> str | None:
        """Say where the state differs from the plan's after a turn, if it does."""
        if self._world is None and self._position == turn.end:
            return None
        world = self._opened()
        return None if world.stands_at(turn.state) else world.difference(turn.state)

    def elsewhere(self, turn: PlannedTurn) -> str | None:
        """Say where the player stands after a turn, if that is not where the plan's player does."""
        if self._world is None and self._position == turn.end:
            return None
        now = self._opened().places()
        return next((f"{now[name]}, not {place}" for name, place in turn.places.items() if now[name] != place), None)

    def missing(self, turn: PlannedTurn) -> list[int]:
        """Give the places, in the plan, of the answers of a turn that have not come as often so far."""
        lacking = {key for key, times in self._script.need(turn).items() if self._seen[key] < times}
        begin = turn.end - len(turn.calls)
        return [index for index in range(begin, turn.end) if self._script.answers[index].key in lacking]
