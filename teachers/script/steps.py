"""Scripts: a task's plan laid out as the calls of a play, and the play's results in the plan's order."""

from collections.abc import Sequence

from loop.canonical import NotJson, parse
from loop.types import Message, PlannedCall, Record, Result, Task

UNPLAYED = Result(ok=False, value="not played yet")
"""Stands for the result of a step that comes later."""


class ScriptedCall(Record):
    """One call of a play: a step of the plan, or a call beside it."""

    call: PlannedCall
    step: int | None = None
    """Index in `Task.plan`; None for a call that the plan does not have."""


Script = tuple[tuple[ScriptedCall, ...], ...]
"""Per turn, the calls to make."""


def script_of(task: Task) -> Script:
    """Lay the plan out as it stands."""
    steps = iter(range(len(task.plan)))
    return tuple(tuple(ScriptedCall(call=call, step=next(steps)) for call in turn.plan) for turn in task.turns)


def calls_since_user(messages: Sequence[Message]) -> int:
    """Count the calls of the present turn that were answered."""
    made = 0
    for message in messages:
        made = 0 if message.role == "user" else made + (message.role == "tool")
    return made


def results_of(script: Script, messages: Sequence[Message]) -> tuple[Result, ...]:
    """Read the results so far out of the messages, in the order of the plan's calls."""
    return in_plan_order(script, [result_of(message) for message in messages if message.role == "tool"])


def in_plan_order(script: Script, results: Sequence[Result]) -> tuple[Result, ...]:
    """Order a play's results so far as the plan counts its calls."""
    moves = [move for turn in script for move in turn]
    by_step = {move.step: result for move, result in zip(moves, results, strict=False) if move.step is not None}
    return tuple(by_step.get(step, UNPLAYED) for step in range(max(by_step, default=-1) + 1))


def result_of(message: Message) -> Result:
    """Read a tool message back: JSON where it is JSON, otherwise the text."""
    try:
        return Result(ok=message.ok is not False, value=parse(message.content))
    except NotJson:
        return Result(ok=message.ok is not False, value=message.content)
