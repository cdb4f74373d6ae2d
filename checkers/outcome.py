"""Outcome: did the play bring about what the plan brings about?

The trajectory's calls run again in a fresh world, beside the task's plan in another, turn by turn. After each turn the
two states must be equal, and what the plan's calls answered must be among what the player's calls answered so far,
in any order. So extra harmless looks are allowed, and another way to the same end is right. This is the judgement of
`multi_turn_checker` in BFCL (Patil et al., 2025); docs/worlds.md lists where the two differ.
"""

from typing import ClassVar, NamedTuple

from pydantic import JsonValue

from checkers.evidence.plans import PlannedTurn, plan_of
from checkers.evidence.replay import Replay, Script
from checkers.evidence.turns import PlayedTurn, among_played, shape_fault, turns_of
from loop.canonical import canonical
from loop.types import Record, Task, Trajectory, Verdict

__all__ = ["Outcome"]

MAX_SHOWN = 300
"""Characters of a value in a reason."""


class Fault(NamedTuple):
    """What is wrong with a play: `kind` for queries, the rest in words."""

    kind: str
    detail: str


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
        """Run both again and compare them after every turn. A task whose plan cannot be run is passed by nobody."""
        played = turns_of(trajectory)
        if problem := shape_fault(task, played):
            return self._verdict(task, 0, Fault("shape", f"this is no play of the task: {problem}"))
        plan = plan_of(task)
        if plan.fault:
            return self._verdict(task, 0, Fault("task", f"the task's plan cannot be run: {plan.fault}"))
        replay = Replay(Script(plan, self._key))
        for number, planned in enumerate(plan.turns):
            if number == len(played):
                return self._verdict(task, number, Fault("unplayed", "the play ended before this turn"))
            if fault := self._fault(played[number], planned, replay):
                return self._verdict(task, number, fault)
        return self._verdict(task, len(task.turns), None)

    def doomed(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether a turn that was played ended otherwise than the plan's: BFCL fails the play for it."""
        return among_played(self.check(task, trajectory), trajectory)

    def _fault(self, played: PlayedTurn, planned: PlannedTurn, replay: Replay) -> Fault | None:
        """Judge one turn. The replay stands where the turn before left it."""
        if fault := _replay_fault(played, replay):
            return fault
        if not planned.calls:
            called = self.abstain and played.calls
            return Fault("called", f"no call was due, but {played.calls[0].name} was called") if called else None
        if not played.calls:
            return Fault("no call", f"{planned.calls[0].name} was due, and nothing was called")
        if differs := replay.difference(planned):
            return Fault("state", f"the state differs from the plan's: {differs}")
        if missing := replay.missing(planned):
            return Fault("answer", f"no call answered {_short(missing)}, as the plan's calls do")
        return None

    def _key(self, value: JsonValue, text: str) -> str:
        """Spell an answer so that equal ones are spelt the same."""
        return text if self.exact_numbers or ".0" not in text else canonical(_valued(value))

    def _verdict(self, task: Task, right: int, fault: Fault | None) -> Verdict:
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=fault is None,
            score=right / len(task.turns),
            reason=f"turn {right + 1}: {fault.detail}" if fault else "every turn ends as the plan's does",
            evidence={"turn": right + 1, "kind": fault.kind} if fault else {},
        )


def _replay_fault(played: PlayedTurn, replay: Replay) -> Fault | None:
    """Run a turn's calls; each must answer what the trajectory says it answered."""
    for call, answer in zip(played.calls, played.answers, strict=True):
        told = replay.call(call, answer.content)
        if answer.content != told.text or answer.ok not in (None, told.ok):
            was, now = _short(answer.content), _short(told.text)
            return Fault("replay", f"{call.name} answered {was}, and now answers {now}")
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
