"""Put right, without a model, what a trace itself tells: the call behind a result, and today's names.

A result repeats what was asked for. Where its call is missing or says something else, the call is read off the result:
the tool whose results look like it, and the arguments that its rows have in common and that the user spoke of. Tools
that were renamed get today's names, by how they are used. What was there before stays in the store, and beside the new.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from pydantic import JsonValue

from loop.traces.filters.results import contradicted, rows_in
from loop.traces.habits import Habits
from loop.types import Call, Catalogue, Message, Record, Tool, Trajectory
from task_generators.backends.arguments import problem
from task_generators.backends.traces_backend import same

Change = dict[str, JsonValue]


class Mended(Record):
    """A trajectory put right, and what was changed in it."""

    trajectory: Trajectory
    changes: tuple[Change, ...]


def mended(trajectory: Trajectory, habits: Habits, today: Catalogue) -> Mended:
    """Mend one trajectory; where nothing can be mended it comes back as it was."""
    messages = [*trajectory.messages]
    changes = [*_renamed(messages, habits, today), *_recalled(messages, habits, today)]
    update = {"messages": tuple(messages), "catalogue": today if today.tools else trajectory.catalogue}
    return Mended(trajectory=trajectory.model_copy(update=update), changes=tuple(changes))


def _renamed(messages: list[Message], habits: Habits, today: Catalogue) -> Iterator[Change]:
    """Give calls of tools that are not offered today their names of today."""
    for index, message in enumerate(messages):
        answers = messages[index + 1 : index + 1 + len(message.calls)]
        pairs = zip_longest(message.calls, answers)
        calls = [_today(call, answer, habits, today) for call, answer in pairs if call is not None]
        if list(message.calls) != calls:
            yield change(index, "renamed", message, "by the values that it takes and what it answers")
            messages[index] = message.model_copy(update={"calls": tuple(calls)})
            for offset, call in enumerate(calls, start=1):
                if index + offset < len(messages) and messages[index + offset].role == "tool":
                    messages[index + offset] = messages[index + offset].model_copy(update={"name": call.name})


def _today(call: Call, answer: Message | None, habits: Habits, today: Catalogue) -> Call:
    tool = today.find(call.name)
    if tool is not None and problem({"properties": {}, **tool.parameters}, call.arguments) is None:
        return call
    rows = rows_in(answer.content) if answer is not None and answer.role == "tool" else []
    new = habits.renamed(call, rows, today) if tool is None else None
    fitting = today.find(new.name) if new else None
    if new is None or fitting is None:
        return call
    return new if problem({"properties": {}, **fitting.parameters}, new.arguments) is None else call


def _recalled(messages: list[Message], habits: Habits, today: Catalogue) -> Iterator[Change]:
    """Read the call off each result whose call is missing or says something else."""
    heard = ""
    for index, message in enumerate(messages):
        if message.role == "user":
            heard += f"\n{message.content.casefold()}"
        if message.role != "tool" or index == 0 or messages[index - 1].role != "assistant":
            continue
        rows, said = rows_in(message.content), messages[index - 1]
        lost = message.name is None and not said.calls
        wrong = len(said.calls) == 1 and _is_wrong(said.calls[0], rows, habits, today)
        tool = habits.caller(rows, today) if lost or wrong else None
        call = _read_off(tool, rows, heard) if tool else None
        if call is not None:
            yield change(index - 1, "recalled", said, "read off the result")
            messages[index - 1] = said.model_copy(update={"content": "", "calls": (call,), "fault": None})
            messages[index] = message.model_copy(update={"name": call.name})


def _is_wrong(call: Call, rows: Sequence[Mapping[str, JsonValue]], habits: Habits, today: Catalogue) -> bool:
    tool = today.find(call.name)
    if tool is None or problem({"properties": {}, **tool.parameters}, call.arguments) is not None:
        return True
    looks = habits.caller(rows, today)
    return bool(contradicted(call, rows)) or (looks is not None and looks.name != call.name)


def _read_off(tool: Tool, rows: Sequence[Mapping[str, JsonValue]], heard: str) -> Call | None:
    """Take the arguments from what all rows have in common: required ones, and others that the user spoke of."""
    properties, required = tool.parameters.get("properties"), tool.parameters.get("required")
    names = list(properties) if isinstance(properties, dict) else []
    needed = set(map(str, required)) if isinstance(required, list) else set()
    arguments: dict[str, JsonValue] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if values[0] is None or not all(same(value, values[0]) for value in values):
            continue
        own = _is_record(name, rows)
        if name in needed or own or str(values[0]).casefold() in heard:
            arguments[name] = values[0]
    if not needed <= arguments.keys() or problem({"properties": {}, **tool.parameters}, arguments) is not None:
        return None
    return Call(name=tool.name, arguments=arguments)


def _is_record(name: str, rows: Sequence[Mapping[str, JsonValue]]) -> bool:
    """Whether a field is what a write added: a single row's date, time or number."""
    value = str(rows[0].get(name, ""))
    return len(rows) == 1 and any(char.isdecimal() for char in value)


def change(index: int, how: str, before: Message, why: str) -> Change:
    """Say what was changed in a message: its place, how, what stood there, and why."""
    was: JsonValue = {
        "content": before.content,
        "calls": [{"name": call.name, "arguments": dict(call.arguments)} for call in before.calls],
    }
    return {"message": index, "how": how, "was": was, "why": why}
