"""Read the tool calls in what the student said: the native form, then forgiving rules that are named.

The native form is the one that both templates teach: `<tool_call>{"name": …, "arguments": {…}}</tool_call>` (Hermes).
A forgiving rule that was needed is reported, so that a checker may refuse it and training may leave it out. Only
literal JSON is read, by `loop.canonical.parse`; nothing is evaluated, and reading is linear in the text.
"""

import re
from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from loop.canonical import NotJson
from loop.canonical import parse as parse_json
from loop.types import Call, Record

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
MAX_CHARACTERS: Final = 100_000
MAX_CALLS: Final = 64
MAX_MISSING_BRACES: Final = 2
FENCE: Final = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)
SYNONYMS: Final = ("parameters", "args")
"""What small models write instead of "arguments"."""


class Parsed(Record):
    """What was said: text, calls, which forgiving rules were needed, and why a begun call could not be read."""

    content: str
    calls: tuple[Call, ...] = ()
    leniencies: tuple[str, ...] = ()
    fault: str | None = None


class Unreadable(ValueError):
    """A call was begun and cannot be read."""


def parse(text: str) -> Parsed:
    """Read an assistant's text. Never raises: a call that cannot be read is a fault, with all the text as content."""
    used: set[str] = set()
    try:
        content, calls = _read(text, used)
    except Unreadable as fault:
        return Parsed(content=text, fault=str(fault))
    return Parsed(content=content, calls=tuple(calls), leniencies=tuple(sorted(used)))


def _read(text: str, used: set[str]) -> tuple[str, list[Call]]:
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"longer than {MAX_CHARACTERS} characters")
    if OPEN in text:
        outside, *bodies = text.split(OPEN)
        calls = [call for body in bodies for call in _tagged(body, used)]
        content = " ".join([outside.strip(), *(_after(body) for body in bodies)]).strip()
    else:
        content, calls = _bare(text, used)
    if len(calls) > MAX_CALLS:
        raise Unreadable(f"more than {MAX_CALLS} calls")
    return content, calls


def _after(body: str) -> str:
    return body.partition(CLOSE)[2].strip()


def _tagged(body: str, used: set[str]) -> Iterator[Call]:
    inside, close, _ = body.partition(CLOSE)
    if not close:
        used.add("missing_close")
    value = _json(inside.strip(), used)
    if isinstance(value, list):
        used.add("call_list")
    for item in value if isinstance(value, list) else [value]:
        yield _call(item, used)


def _bare(text: str, used: set[str]) -> tuple[str, list[Call]]:
    stripped = text.strip()
    fenced = FENCE.match(stripped)
    inside = fenced[1] if fenced else stripped
    if not inside.startswith(("{", "[{")) or '"name"' not in inside:
        return stripped.removesuffix(CLOSE).strip(), []
    try:
        value = _json(inside.removesuffix(CLOSE).strip(), used)
    except Unreadable:
        return stripped, []  # an answer that happens to begin with a brace
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and isinstance(item.get("name"), str) and len(item) > 1 for item in items):
        return stripped, []
    used.add("fenced_json" if fenced else "bare_json")
    return "", [_call(item, used) for item in items]


def _json(text: str, used: set[str]) -> JsonValue:
    try:
        return parse_json(text)
    except NotJson as error:
        found, depth = _balanced(text)
        if not found:
            raise Unreadable(f"a call is no JSON: {error}") from error
    used.add("missing_brace" if depth else "brace_match")
    try:
        return parse_json(found)
    except NotJson as error:
        raise Unreadable(f"a call is no JSON: {error}") from error


def _balanced(text: str) -> tuple[str, int]:
    """Cut out the first object, with the braces that it lacks at its end counted and added; empty if there is none."""
    start, depth, quoted, escaped = text.find("{"), 0, False, False
    for index in range(max(start, 0), len(text) if start >= 0 else 0):
        character = text[index]
        if quoted:
            quoted, escaped = escaped or character != '"', not escaped and character == "\\"
        elif character == '"':
            quoted = True
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if not depth:
                return text[start : index + 1], 0
    closable = 0 < depth <= MAX_MISSING_BRACES and not quoted
    return (text[start:] + "}" * depth, depth) if closable else ("", 0)


def _call(value: JsonValue, used: set[str]) -> Call:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        used.add("function_wrapper")
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise Unreadable("a call has no name")
    return Call(name=str(value["name"]), arguments=_arguments(value, used))


def _arguments(value: dict[str, JsonValue], used: set[str]) -> dict[str, JsonValue]:
    key = next((key for key in ("arguments", *SYNONYMS) if key in value), None)
    if key != "arguments":
        used.add("no_arguments" if key is None else "arguments_synonym")
    arguments = value[key] if key else {}
    if isinstance(arguments, str):
        used.add("arguments_as_string")
        arguments = _json(arguments, used)
    if not isinstance(arguments, dict):
        raise Unreadable("a call's arguments are no object")
    return arguments
