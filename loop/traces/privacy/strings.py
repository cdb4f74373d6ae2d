"""Every text of a trace, with the name of the field that it stands in, and the trace with its texts changed."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.traces.trace import Trace
from loop.types import Call, Message


class FieldText(NamedTuple):
    """One text."""

    field: str
    """The name of the argument or of the result's field; empty for a message's words."""
    text: str


def strings_of(trace: Trace) -> Iterator[FieldText]:
    """Walk the messages' words, the calls' arguments, and the results, field by field where they are JSON."""
    for message in trace.messages:
        if message.content:
            yield FieldText("", message.content)
        if message.reasoning:
            yield FieldText("", message.reasoning)
        if message.role == "tool" and message.content[:1] in ("{", "["):
            try:
                yield from _fields("", parse(message.content))
            except NotJson:
                continue
        for call in message.calls:
            yield from _fields("", dict(call.arguments))


def _fields(name: str, value: JsonValue) -> Iterator[FieldText]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(name, inner)
    elif isinstance(value, str):
        yield FieldText(name, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield FieldText(name, str(value))


def changed(trace: Trace, change: Callable[[str], str]) -> Trace:
    """Change every text: what is said, what is called with, what is answered."""
    return trace.model_copy(update={"messages": tuple(_message(message, change) for message in trace.messages)})


def _message(message: Message, change: Callable[[str], str]) -> Message:
    calls = tuple(Call(name=call.name, arguments=_object(call.arguments, change)) for call in message.calls)
    reasoning = None if message.reasoning is None else change(message.reasoning)
    update = {"content": change(message.content), "calls": calls, "reasoning": reasoning}
    return message.model_copy(update=update)


def _object(value: Mapping[str, JsonValue], change: Callable[[str], str]) -> dict[str, JsonValue]:
    return {key: _value(inner, change) for key, inner in value.items()}


def _value(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """Change a value's texts; a number is changed where its digits are, and stays a number."""
    if isinstance(value, dict):
        return _object(value, change)
    if isinstance(value, list):
        return [_value(inner, change) for inner in value]
    if isinstance(value, str):
        return change(value)
    if isinstance(value, int) and not isinstance(value, bool):
        digits = change(str(value))
        return int(digits) if digits != str(value) and digits.lstrip("-").isdecimal() else value
    return value
