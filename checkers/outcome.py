"""Outcome: did the play bring about what the plan brings about?

The trajectory's calls run again in a fresh world, beside the task's plan in another, turn by turn. After each turn the
two states must be equal, and what the plan's calls answered must be among what the player's calls answered so far,
in any order. So extra harmless looks are allowed, and another way to the same end is right. This is the judgement of
`multi_turn_checker` in BFCL (Patil et al., 2025); docs/worlds.md lists where the two differ.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import JsonValue

from checkers._turns import PlayedTurn, recorded, shape_fault, turns_of
from loop.canonical import canonical
from loop.plan import TurnRun, turns
from loop.types import Record, Result, Task, Trajectory, Verdict, World
from task_generators.backends.worlds import open_world

__all__ = ["Outcome"]

MAX_SHOWN = 300
"""Characters of a value in a reason."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a play: `kind` for queries, the rest in words."""

    kind: str
    detail: str


@dataclass
class Replay:
    """A trajectory's calls, running again: the world they run in, and how often each answer was seen."""

    world: World
    seen: Counter[str] = field(default_factory=Counter)


class Outcome(Record):
    """Judges a play by the states and the answers that its calls bring about."""

    abstain: bool = True
    """Whether a call fails a turn whose plan is empty. BFCL's checker leaves that to another one."""
    exact_numbers: bool = False
    """Whether an answer of 100 differs from one of 100.0, as it does for BFCL's checker, which compares texts."""

    version: ClassVar[int] = 1

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
        replay, plans = Replay(open_world(task.backends, task.initial)), open_world(task.backends, task.initial)
        for number, planned in enumerate(turns(task, plans)):
            if number == len(played):
                return self._verdict(task, number, Fault("unplayed", "the play ended before this turn"))
            if fault := self._fault(played[number], planned, replay, plans):
                return self._verdict(task, number, fault)
        return self._verdict(task, len(task.turns), None)

    def _fault(self, played: PlayedTurn, planned: TurnRun, replay: Replay, plans: World) -> Fault | None:
        """Judge one turn. Both worlds stand where the turn before left them."""
        if fault := self._run_again(played, replay):
            return fault
        if not planned[0]:
            return (
                Fault("called", f"no call was due, but {played.calls[0].name} was called")
                if self._broken(played)
                else None
            )
        if not played.calls:
            return Fault("no call", f"{planned[0][0].name} was due, and nothing was called")
        return _state_fault(replay.world, plans) or self._answer_fault(replay, planned[1])

    def _broken(self, played: PlayedTurn) -> bool:
        return self.abstain and bool(played.calls)

    def _run_again(self, played: PlayedTurn, replay: Replay) -> Fault | None:
        """Run the player's calls; each must answer what the trajectory says it answered."""
        for call, answer in zip(played.calls, played.answers, strict=True):
            result = replay.world.call(call)
            replay.seen[self._spelt(result)] += 1
            if not recorded(answer, result):
                detail = (
                    f"{call.name} answered {_short(answer.content)}, and now answers {_short(canonical(result.value))}"
                )
                return Fault("replay", detail)
        return None

    def _answer_fault(self, replay: Replay, results: Sequence[Result]) -> Fault | None:
        """Find the plan's answers of this turn among the player's answers so far."""
        missing = Counter(map(self._spelt, results)) - replay.seen
        if not missing:
            return None
        return Fault("answer", f"the plan's calls answer {_short(next(iter(missing)))}, the player's never did")

    def _spelt(self, result: Result) -> str:
        return canonical(result.value if self.exact_numbers else _valued(result.value))

    def _verdict(self, task: Task, right: int, fault: Fault | None) -> Verdict:
        evidence: dict[str, JsonValue] = {}
        reason = "after every turn the state is the plan's, and the plan's answers were seen"
        if fault:
            evidence = {"turn": right + 1, "kind": fault.kind}
            reason = f"turn {right + 1}: {fault.detail}"
        score = right / len(task.turns)
        return Verdict(
            checker=self.name, version=self.version, passed=not fault, score=score, reason=reason, evidence=evidence
        )


def _state_fault(mine: World, plans: World) -> Fault | None:
    """Compare two worlds as BFCL does: every public attribute of every backend."""
    mine_state, plan_state = mine.state(), plans.state()
    if mine_state == plan_state:
        return None
    return Fault("state", f"the state differs from the plan's at {_difference(mine_state, plan_state, '')}")


def _difference(mine: JsonValue, plans: JsonValue, place: str) -> str:
    """Name the first place where two states differ, and both values."""
    if isinstance(mine, dict) and isinstance(plans, dict):
        for key in [*plans, *mine]:
            if key not in mine or key not in plans or mine[key] != plans[key]:
                return _difference(mine.get(key), plans.get(key), f"{place}/{key}")
    return f"{place or '/'}: {_short(canonical(mine))} for {_short(canonical(plans))}"


def _valued(value: JsonValue) -> JsonValue:
    """Spell every number as an integer where it is one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _valued(inner) for key, inner in value.items()}
    return [_valued(inner) for inner in value] if isinstance(value, list) else value


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
