"""Outcome: did the play bring about what the plan brings about?

The trajectory's calls run again in a fresh world, beside the task's plan in another, turn by turn. After each turn the
two states must be equal, and what the plan's calls answered must be among what the player's calls answered so far,
in any order. So extra harmless looks are allowed, and another way to the same end is right. This is the judgement of
`multi_turn_checker` in BFCL (Patil et al., 2025); docs/worlds.md lists where the two differ.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pydantic import JsonValue, PrivateAttr

from checkers._turns import PlayedTurn, recorded, shape_fault, turns_of
from loop.canonical import canonical
from loop.plan import turns
from loop.types import Call, Message, Record, Result, Task, Trajectory, Verdict
from task_generators.backends.values import Snapshot
from task_generators.backends.worlds import BackendWorld, open_world

__all__ = ["Outcome"]

MAX_SHOWN = 300
"""Characters of a value in a reason."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a play: `kind` for queries, the rest in words."""

    kind: str
    detail: str


class Told(NamedTuple):
    """What a call answered, its canonical spelling, and the key under which equal answers are the same."""

    result: Result
    text: str
    key: str


class Reference(NamedTuple):
    """What a task's plan brings about in one turn."""

    calls: Sequence[Call]
    told: Sequence[Told]
    state: Mapping[str, Snapshot]


class Outcome(Record):
    """Judges a play by the states and the answers that its calls bring about."""

    abstain: bool = True
    """Whether a call fails a turn whose plan is empty. BFCL's checker leaves that to another one."""
    exact_numbers: bool = False
    """Whether an answer of 100 differs from one of 100.0, as it does for BFCL's checker, which compares texts."""

    version: ClassVar[int] = 1
    _last: tuple[str, Sequence[Reference]] | None = PrivateAttr(None)

    @property
    def name(self) -> str:
        """The name in the store."""
        return "outcome"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Run both again and compare them after every turn.

        Raises:
            PlanError: the task's own plan cannot be run; the message names the task.
        """
        played = turns_of(trajectory)
        if problem := shape_fault(task, played):
            return self._verdict(task, 0, Fault("shape", f"this is no play of the task: {problem}"))
        references = self._references(task)
        replay = Replay(task, references, self._told)
        for number, reference in enumerate(references):
            if number == len(played):
                return self._verdict(task, number, Fault("unplayed", "the play ended before this turn"))
            if fault := self._fault(played[number], reference, replay):
                return self._verdict(task, number, fault)
        return self._verdict(task, len(task.turns), None)

    def _references(self, task: Task) -> Sequence[Reference]:
        """Run the plan, or remember what it brought about: the plays of one task come one after another."""
        if self._last is None or self._last[0] != task.id:
            world = open_world(task.backends, task.initial)
            runs = ((calls, list(map(self._told, results)), world.snapshot()) for calls, results in turns(task, world))
            self._last = task.id, [Reference(*run) for run in runs]
        return self._last[1]

    def _fault(self, played: PlayedTurn, reference: Reference, replay: "Replay") -> Fault | None:
        """Judge one turn. The replay stands where the turn before left it."""
        calls = played.calls
        if fault := _replay_fault(calls, played.answers, replay):
            return fault
        if not reference.calls:
            called = self.abstain and bool(calls)
            return Fault("called", f"no call was due, but {calls[0].name} was called") if called else None
        if not calls:
            return Fault("no call", f"{reference.calls[0].name} was due, and nothing was called")
        if differs := replay.difference(reference):
            return Fault("state", f"the state differs from the plan's: {differs}")
        if missing := Counter(told.key for told in reference.told) - replay.seen:
            return Fault("answer", f"no call answered {_short(next(iter(missing)))}, as the plan's calls do")
        return None

    def _told(self, result: Result) -> Told:
        text = canonical(result.value)
        return Told(result, text, text if self.exact_numbers or ".0" not in text else canonical(_valued(result.value)))

    def _verdict(self, task: Task, right: int, fault: Fault | None) -> Verdict:
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=fault is None,
            score=right / len(task.turns),
            reason=f"turn {right + 1}: {fault.detail}" if fault else "every turn ends as the plan's does",
            evidence={"turn": right + 1, "kind": fault.kind} if fault else {},
        )


class Replay:
    """A trajectory's calls, running again.

    As long as they are the plan's own calls, in the plan's order, what they answer is known from the plan's run. With
    the first other call, or a turn that ends early, a world is opened and brought to that point.
    """

    def __init__(self, task: Task, references: Sequence[Reference], told: Callable[[Result], Told]) -> None:
        """Start at the task's beginning; `told` spells a result."""
        self._task, self._tell = task, told
        self._script = [(call, known) for turn in references for call, known in zip(turn.calls, turn.told, strict=True)]
        self._world: BackendWorld | None = None
        self._position = 0
        self.seen: Counter[str] = Counter()
        """How often each answer came so far."""

    def call(self, call: Call) -> Told:
        """Run the next call."""
        told = self._from_plan(call) or self._tell(self._opened().call(call))
        self.seen[told.key] += 1
        return told

    def _from_plan(self, call: Call) -> Told | None:
        if self._world or self._position == len(self._script):
            return None
        planned, told = self._script[self._position]
        if planned.name != call.name or repr(planned.arguments) != repr(call.arguments):
            return None
        self._position += 1
        return told

    def _opened(self) -> BackendWorld:
        """Open the world, and run in it what was known without it."""
        if self._world is None:
            self._world = open_world(self._task.backends, self._task.initial)
            for call, _ in self._script[: self._position]:
                self._world.call(call)
        return self._world

    def difference(self, reference: Reference) -> str | None:
        """Say where the state differs from the plan's after a turn, if it does."""
        if self._world is None and self._follows(reference):
            return None
        world = self._opened()
        return None if world.stands_at(reference.state) else world.difference(reference.state)

    def _follows(self, reference: Reference) -> bool:
        """Whether the last call so far is the plan's last call of that turn."""
        return self._position > 0 and self._script[self._position - 1][1] is reference.told[-1]


def _replay_fault(calls: Sequence[Call], answers: Sequence[Message], replay: Replay) -> Fault | None:
    """Run a turn's calls; each must answer what the trajectory says it answered."""
    for call, answer in zip(calls, answers, strict=True):
        told = replay.call(call)
        if not recorded(answer, told.result, told.text):
            return Fault(
                "replay", f"{call.name} answered {_short(answer.content)}, and now answers {_short(told.text)}"
            )
    return None


def _valued(value: JsonValue) -> JsonValue:
    """Spell every number as an integer where it is one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _valued(inner) for key, inner in value.items()}
    return [_valued(inner) for inner in value] if isinstance(value, list) else value


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
