"""The conversations of a play: most tasks are one, a few begin anew while their world goes on."""

from typing import NamedTuple

from loop.types import Task


class Session(NamedTuple):
    """One conversation."""

    task: Task
    """The task with the turns of this conversation; the task itself where there is only one."""
    instruction: str
    """What the player is told at its beginning, with a place for what the world shows. Empty for nothing."""
    aside: bool
    """Whether what it does to the world is undone."""


def sessions(task: Task) -> list[Session]:
    """Cut a task where a new conversation begins."""
    begins = [number for number, turn in enumerate(task.turns) if number == 0 or turn.session is not None]
    ends = [*begins[1:], len(task.turns)]
    return [_session(task, begin, end) for begin, end in zip(begins, ends, strict=True)]


def _session(task: Task, begin: int, end: int) -> Session:
    first, turns = task.turns[begin], task.turns[begin:end]
    alone = len(turns) == len(task.turns)
    return Session(task if alone else task.model_copy(update={"turns": turns}), first.session or "", first.aside)
