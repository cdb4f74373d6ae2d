"""Economy: no call is made again that has already been answered, unless something changed in between.

A harmless look costs a step; the same look again, at what cannot have changed, is waste that a model learns to make.
What a turn's own plan calls may be called in that turn, though it was called before: the user asks for it now.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from pydantic import JsonValue

from checkers.evidence.plans import plan_of
from checkers.evidence.turns import turns_of
from loop.canonical import clean
from loop.types import Call, Record, Task, Trajectory, Verdict
from task_generators.backends.worlds import open_world

__all__ = ["Economy"]


class SpelledCall(NamedTuple):
    """A call as it was made: in which turn (from 1), spelt, and whether it was answered."""

    turn: int
    call: Call
    spelt: str
    ok: bool


class Economy(Record):
    """Judges repeated calls."""

    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """The name in the store."""
        return "economy"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Find calls that were made again in vain. A plan that repeats a call allows it as often."""
        made = _made(trajectory)
        repeats = _in_vain(task, made) if _doubled(made) and not plan_of(task).fault else []
        shown: list[JsonValue] = [{"turn": one.turn, "call": one.spelt[:300]} for one in repeats[:20]]
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not repeats,
            score=1 - len(repeats) / len(made) if made else 1.0,
            reason=_described(repeats[0]) if repeats else "no call in vain",
            evidence={"repeats": shown, "calls": len(made)},
        )


def _described(repeat: SpelledCall) -> str:
    return f"turn {repeat.turn}: {repeat.call.name} was called again, and nothing had changed"


def _made(trajectory: Trajectory) -> list[SpelledCall]:
    return [
        SpelledCall(number, call, _spelt(call), answer.ok is not False)
        for number, turn in enumerate(turns_of(trajectory), start=1)
        for call, answer in zip(turn.calls, turn.answers, strict=False)
    ]


def _spelt(call: Call) -> str:
    """Spell a call so that equal ones are spelt alike, also one that holds an infinity, which is no JSON."""
    return clean(f"{call.name}({json.dumps(dict(call.arguments), sort_keys=True, ensure_ascii=False)})")


def _doubled(made: Sequence[SpelledCall]) -> bool:
    spelt = [one.spelt for one in made if one.ok]
    return len(set(spelt)) < len(spelt)


def _in_vain(task: Task, made: Sequence[SpelledCall]) -> list[SpelledCall]:
    """Run the calls again, and compare where the world stood after a call with where it stands before its double."""
    world = open_world(task.backends, task.initial)
    run = plan_of(task)
    allowed = Counter(map(_spelt, run.calls))
    due = Counter((number, _spelt(call)) for number, turn in enumerate(run.turns, start=1) for call in turn.calls)
    doubled = {spelt for spelt, often in Counter(one.spelt for one in made if one.ok).items() if often > 1}
    stood: dict[str, int] = {}
    vain, times = [], Counter[str | tuple[int, str]]()
    for one in made:
        if one.ok:
            now = one.turn, one.spelt
            times.update([one.spelt, now])
            again = times[one.spelt] > max(allowed[one.spelt], 1) and times[now] > due[now]
            if again and stood.get(one.spelt) == world.mark():
                vain.append(one)
        world.call(one.call)
        if one.ok and one.spelt in doubled:
            stood[one.spelt] = world.mark()
    return vain
