"""Plays that go wrong in a known way: what a checker is proved against.

A script is what a player calls, per turn and step. `played` acts it out in a fresh world, so the trajectory is one
that a player could have left behind; `mutants` changes a right script by one fault.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.plan import PlanError, closing, run
from loop.types import Call, End, Message, Result, Task, Trajectory, Turn, World
from task_generators.backends.worlds import open_world

Steps = tuple[tuple[Call, ...], ...]
"""One turn: the calls of each assistant message."""

Script = tuple[Steps, ...]
"""A play: the steps of each turn."""

KINDS: Final = tuple(
    "dropped doubled swapped moved emptied changed retyped lost unknown guessed looked joined".split()  # noqa: SIM905 - a list of words
)
"""What a mutant does to one call or one turn of the script."""


def gold_script(task: Task) -> Script:
    """Call what the plan calls, one call a step.

    Raises:
        PlanError: the plan cannot be run.
    """
    return tuple(tuple((call,) for call in calls) for calls, _ in run(task, open_world(task.backends, task.initial)))


def played(task: Task, script: Script, player: str = "script") -> Trajectory:
    """Act a script out: every turn's calls, their answers, and the closing message."""
    world = open_world(task.backends, task.initial)
    messages: list[Message] = []
    results: list[Result] = []
    for turn, steps in zip(task.turns, script, strict=False):
        messages.append(Message(role="user", content=turn.user, adds=turn.adds))
        for calls in steps:
            messages += _step(calls, world, results)
        messages.append(Message(role="assistant", content=_closed(turn, results)))
    return Trajectory(task=task.id, player=player, messages=tuple(messages), end=End.CLOSED)


def _closed(turn: Turn, results: Sequence[Result]) -> str:
    """Close a turn as a right player would, as far as a wrong one has the values."""
    try:
        return closing(turn, results)
    except PlanError:
        return turn.closing


def _step(calls: Sequence[Call], world: World, results: list[Result]) -> Iterator[Message]:
    yield Message(role="assistant", content="", calls=tuple(calls))
    for call in calls:
        result = world.call(call)
        results.append(result)
        text = result.value if isinstance(result.value, str) else canonical(result.value)
        yield Message(role="tool", name=call.name, content=text, ok=result.ok)


def mutants(
    script: Script, seed: int, pool: Mapping[str, Sequence[Call]], looks: Sequence[Call] = ()
) -> Iterator[tuple[str, Script]]:
    """Change a script by one fault, in every way that it allows. The same seed gives the same mutants.

    `pool` holds, per tool, calls of other tasks, whose arguments are plausible guesses; `looks` are calls that read.
    """
    rng = random.Random(seed)
    for kind in KINDS:
        if (mutant := _mutant(kind, script, rng, pool, looks)) not in (None, script):
            yield kind, mutant


def _mutant(
    kind: str, script: Script, rng: random.Random, pool: Mapping[str, Sequence[Call]], looks: Sequence[Call]
) -> Script | None:
    indices = [(turn, step) for turn, steps in enumerate(script) for step in range(len(steps))]
    if not indices:
        return None
    turn, step = rng.choice(indices)
    steps = list(script[turn])
    call = steps[step][0]
    other = rng.randrange(len(script))
    match kind:
        case "dropped":
            del steps[step]
        case "doubled":
            steps.insert(step, steps[step])
        case "swapped":
            rng.shuffle(steps)
        case "moved" if other != turn:
            moved = [*script[other], steps.pop(step)]
            return _with(_with(script, turn, steps), other, moved)
        case "emptied":
            steps = []
        case "looked" if looks:
            steps.insert(step, (rng.choice(looks),))
        case "joined":
            steps = [tuple(call for calls in steps for call in calls)]
        case _:
            if (changed := _argument(kind, call, rng, pool)) is None:
                return None
            steps[step] = (changed,)
    return _with(script, turn, steps)


def _with(script: Script, turn: int, steps: Sequence[tuple[Call, ...]]) -> Script:
    return (*script[:turn], tuple(steps), *script[turn + 1 :])


def _argument(kind: str, call: Call, rng: random.Random, pool: Mapping[str, Sequence[Call]]) -> Call | None:
    """Change one argument: its value, its type, its being there, or to what another task calls with."""
    if not call.arguments:
        return None
    name = rng.choice(sorted(call.arguments))
    arguments = dict(call.arguments)
    if kind == "changed":
        arguments[name] = _changed(arguments[name])
    elif kind == "retyped":
        arguments[name] = [arguments[name]]
    elif kind == "lost":
        del arguments[name]
    elif kind == "unknown":
        arguments["unheard_of"] = 1
    elif kind == "guessed" and pool.get(call.name):
        arguments[name] = rng.choice(pool[call.name]).arguments.get(name, arguments[name])
    return Call(name=call.name, arguments=arguments)


def _changed(value: JsonValue) -> JsonValue:
    """Make a value of the same type that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, list):
        return value[:-1]
    return {} if isinstance(value, dict) else 0
