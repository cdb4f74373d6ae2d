"""Plays of one plan that differ and are all right: another order, a look around, a mistake and its repair.

A plan does not say which calls depend on the state that others leave, so nothing is assumed: each variation is
rehearsed in a private world beside the plain plan, and kept only if every turn ends in the same state and every step
of the plan gets the same answer.
"""

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final, NamedTuple

from pydantic import JsonValue

from loop.plan import PlanError, resolve
from loop.types import From, PlannedCall, Record, Result, Task
from task_generators.backends.worlds import open_world
from teachers.script.steps import Script, ScriptedCall, in_plan_order, script_of

TRIES: Final = 8
"""Rehearsals for one variation."""


class Variety(Record):
    """Shares of plays that vary, 0..1 each."""

    look_first: float = 0.0
    mistake: float = 0.0
    vary_order: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything varies."""
        return self.look_first + self.mistake + self.vary_order > 0


class Rehearsal(NamedTuple):
    """What a script did in a private world."""

    states: tuple[dict[str, JsonValue], ...]
    """After each turn, everything that later calls can depend on."""
    plan: tuple[Result, ...]
    """Results of the plan's steps, in its order."""
    beside: tuple[Result, ...]
    """Results of the calls that the plan does not have."""


def varied(task: Task, variety: Variety, seed: int) -> Script:
    """Lay the plan out with the variations that the seed draws and a rehearsal allows."""
    draw = Random(f"{task.id}/{seed}")
    plain = script_of(task)
    right = rehearse(task, plain)
    if right is None:
        return plain
    script = plain
    for share, propose in (
        (variety.vary_order, reordered),
        (variety.mistake, forgetful),
        (variety.look_first, curious),
    ):
        if draw.random() < share:
            proposals = islice(propose(task, script, draw), TRIES)
            script = next((variation for variation in proposals if _same(rehearse(task, variation), right)), script)
    return script


def _same(rehearsal: Rehearsal | None, right: Rehearsal) -> bool:
    return rehearsal is not None and rehearsal.states == right.states and rehearsal.plan == right.plan


def reordered(task: Task, script: Script, draw: Random) -> Iterator[Script]:
    """Propose other orders of the turns' calls; a call stays behind those that supply its arguments."""
    del task
    for _ in range(TRIES):
        shuffled = tuple(_shuffled(moves, draw) for moves in script)
        if shuffled != script:
            yield shuffled


def _shuffled(moves: tuple[ScriptedCall, ...], draw: Random) -> tuple[ScriptedCall, ...]:
    """Draw one of the orders in which every call has what it needs."""
    waiting, placed = list(moves), list[ScriptedCall]()
    while waiting:
        held = {move.step for move in waiting}
        free = [move for move in waiting if not needs(move.call) & held]
        placed.append(draw.choice(free))
        waiting.remove(placed[-1])
    return tuple(placed)


def needs(call: PlannedCall) -> set[int | None]:
    """List the steps that supply a call's arguments."""
    return {value.step for value in call.arguments.values() if isinstance(value, From)}


def curious(task: Task, script: Script, draw: Random) -> Iterator[Script]:
    """Propose looks around: tools that the plan does not use, called without arguments."""
    used = {call.name for call in task.plan}
    first = next((turn for turn, moves in enumerate(script) if moves), None)
    names = [name for name in task.tools if name not in used]
    if first is None:
        return
    for name in draw.sample(names, len(names)):
        look = ScriptedCall(call=PlannedCall(name=name))
        if _answers(task, script, first, look, ok=True):
            yield _inserted(script, first, 0, look)


def forgetful(task: Task, script: Script, draw: Random) -> Iterator[Script]:
    """Propose mistakes: a step is first called without one of its arguments."""
    indices = [(turn, index) for turn, moves in enumerate(script) for index in range(len(moves))]
    for turn, index in draw.sample(indices, len(indices)):
        call = script[turn][index].call
        if not call.arguments:
            continue
        forgotten = draw.choice(sorted(call.arguments))
        kept = {name: value for name, value in call.arguments.items() if name != forgotten}
        slip = ScriptedCall(call=PlannedCall(name=call.name, arguments=kept))
        longer = _inserted(script, turn, index, slip)
        rehearsal = rehearse(task, longer)
        if rehearsal is not None and not rehearsal.beside[-1].ok:
            yield longer


def _answers(task: Task, script: Script, turn: int, look: ScriptedCall, *, ok: bool) -> bool:
    rehearsal = rehearse(task, _inserted(script, turn, 0, look))
    return rehearsal is not None and rehearsal.beside[0].ok is ok


def _inserted(script: Script, turn: int, index: int, move: ScriptedCall) -> Script:
    moves = (*script[turn][:index], move, *script[turn][index:])
    return (*script[:turn], moves, *script[turn + 1 :])


def rehearse(task: Task, script: Script) -> Rehearsal | None:
    """Play a script in a private world; None where a call's arguments cannot be had."""
    world, results, states = open_world(task.backends, task.initial), list[Result](), []
    try:
        for moves in script:
            for move in moves:
                results.append(world.call(resolve(move.call, in_plan_order(script, results))))
            states.append(world.everything())
    except PlanError:
        return None
    played = [move for turn in script for move in turn]
    beside = tuple(result for move, result in zip(played, results, strict=True) if move.step is None)
    return Rehearsal(tuple(states), in_plan_order(script, results), beside)
