"""Whether the turns of a play end as the plan's do: what was brought about, and what was seen on the way."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pydantic import JsonValue

from checkers.evidence.needs import lucky, unmet
from checkers.evidence.plans import PlannedTurn, PlanRun, plan_of
from checkers.evidence.replay import Replay, Script
from checkers.evidence.turns import PlayedTurn
from loop.canonical import canonical
from loop.types import Record, Task

MAX_SHOWN: Final = 300
"""Characters of a value in a reason."""


class EndFault(NamedTuple):
    """What is wrong with a turn: `kind` for queries, the rest in words."""

    kind: str
    detail: str


class Ends(Record):
    """How turns are compared. What the settings mean stands with the checker that has them."""

    abstain: bool = True
    exact_numbers: bool = False

    def first_fault(self, task: Task, played: Sequence[PlayedTurn]) -> tuple[int, EndFault] | None:
        """Give the first turn, from 0, that ends otherwise than the plan's, and what is wrong there."""
        run = plan_of(task)
        if run.fault:
            return 0, EndFault("task", f"the task's plan cannot be run: {run.fault}")
        replay = Replay(Script(run, self._key))
        for number in range(len(run.turns)):
            if number == len(played):
                return number, EndFault("unplayed", "the play ended before this turn")
            if fault := self._fault(run, number, played[number], replay):
                return number, fault
        return None

    def _fault(self, run: PlanRun, number: int, played: PlayedTurn, replay: Replay) -> EndFault | None:
        """Judge one turn. The replay stands where the turn before left it."""
        planned, since = run.turns[number], len(replay.made)
        if fault := _run_again(played, replay, None if self.exact_numbers else planned):
            return fault
        if not planned.calls:
            called = self.abstain and played.calls
            return EndFault("called", f"no call was due, but {played.calls[0].name} was called") if called else None
        if self.exact_numbers and not played.calls:
            return EndFault("no call", f"{planned.calls[0].name} was due, and nothing was called")
        fault = self._difference(run, number, replay, since)
        return fault if played.calls or fault is None else fault._replace(kind="no call")

    def _difference(self, run: PlanRun, number: int, replay: Replay, since: int) -> EndFault | None:
        """Say where a turn ends otherwise than the plan's."""
        if differs := replay.difference(run.turns[number]):
            return EndFault("state", f"the state differs from the plan's: {differs}")
        lacking = replay.missing(run.turns[number])
        if self.exact_numbers:
            return EndFault("answer", _unseen(run, lacking[0])) if lacking else None
        if fault := _manner(run, number, replay):
            return fault
        if (place := unmet(run, number, lacking, replay.made, since)) is not None:
            return EndFault("answer", _unseen(run, place))
        sql = lucky(run, number, replay.made, since)
        return EndFault("luck", f"on another database this does something else: {_short(sql)}") if sql else None

    def _key(self, value: JsonValue, text: str) -> str:
        """Spell an answer so that equal ones are spelt the same."""
        return text if self.exact_numbers or ".0" not in text else canonical(_valued(value))


def _manner(run: PlanRun, number: int, replay: Replay) -> EndFault | None:
    """Say what was changed on the way, or where the player stands at the end, if that is not wanted."""
    for tool, path in replay.strays:
        return EndFault("stray", f"{tool} changed {_short(path)} on the way, which the turn does not want")
    place = None if run.task.source else replay.elsewhere(run.turns[number])
    return EndFault("place", f"it ends in {place}") if place else None


def _unseen(run: PlanRun, index: int) -> str:
    call, value = run.calls[index], run.results[index].value
    answer = value if isinstance(value, str) else canonical(value)
    return f"no call answered {_short(answer)}, as the plan's {call.name} does"


def _run_again(played: PlayedTurn, replay: Replay, planned: PlannedTurn | None) -> EndFault | None:
    """Run a turn's calls: each must answer what the trajectory says it answered."""
    replay.begin(planned)
    for call, answer in zip(played.calls, played.answers, strict=True):
        again = replay.call(call, answer.content)
        if answer.content != again.text or answer.ok not in (None, again.ok):
            was, now = _short(answer.content), _short(again.text)
            return EndFault("replay", f"{call.name} answered {was}, and now answers {now}")
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
