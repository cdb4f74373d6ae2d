"""What stands before an answer that is corrected."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from pydantic import JsonValue

from checkers.closing.ground import Ground
from checkers.evidence.origins import read
from checkers.evidence.turns import turns_of
from loop.traces.filters.results import rows_in
from loop.traces.lessons import Lesson
from loop.types import Call, End, Message, Trajectory

SHOWN: Final = 60
"""Characters of a value in a reason."""
ERRORS: Final = frozenset({"error", "errors", "exception"})
"""Fields by which a result says that it is an error."""


def played(lesson: Lesson, *more: Message) -> Trajectory:
    """Give the conversation up to the answer, and more messages, as a play."""
    messages = (*lesson.before, *more)
    return Trajectory(task="", player="", end=End.CLOSED, messages=messages, catalogue=lesson.catalogue)


def ground_of(lesson: Lesson) -> Ground:
    """Give what was said, seen and taken, and what the tools say of themselves."""
    ground = Ground()
    for message in lesson.before:
        ground.add(read(message.content) if message.role == "tool" else message.content)
        for call in message.calls:
            ground.add(dict(call.arguments))
    for tool in lesson.catalogue.tools:
        ground.add([tool.name, tool.description, dict(tool.parameters)])
    return ground


def answered(lesson: Lesson) -> Iterator[tuple[Call, Message]]:
    """Give every call that was answered, with its answer."""
    for turn in turns_of(played(lesson)):
        for step in turn.steps:
            yield from zip(step.said.calls, step.answers, strict=False)


def rows_before(lesson: Lesson) -> Iterator[Mapping[str, JsonValue]]:
    """Give every row of every result."""
    return chain.from_iterable(rows_in(message.content) for message in lesson.before if message.role == "tool")


def is_error(answer: Message) -> bool:
    """Whether a tool answered with an error. Traces do not say so beside the result."""
    if answer.ok is False or answer.fault:
        return True
    value = read(answer.content) if answer.ok is None else None
    return isinstance(value, dict) and any(bool(value.get(name)) for name in ERRORS)
