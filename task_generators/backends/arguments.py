"""Check a call's arguments against the tool's schema, and say what is wrong in words that a player can act on.

A general validator would be slower than the tools themselves. What the backends' documents use of JSON Schema is
little: types, properties, items, required, enum. A test holds this check to `jsonschema` on every tool.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import MAX_DEPTH, MAX_INT

MAX_TEXT: Final = 64_000
"""Characters that all the texts of one call may hold together."""

KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def problem(schema: Mapping[str, Any], arguments: Mapping[str, JsonValue]) -> str | None:
    """Name the first thing that is wrong with a call's arguments; None when nothing is.

    `null` for a parameter that is not required means that it is left out, as many providers send it.
    """
    properties, length = schema["properties"], 0.0
    required = schema.get("required", ())
    for name in required:
        if name not in arguments:
            return f"missing required argument '{name}'"
    for name, value in arguments.items():
        length += len(value) if type(value) is str else size(value, MAX_DEPTH)
        if length > MAX_TEXT:
            return f"the arguments are longer than {MAX_TEXT} characters, or nested too deep"
        if name not in properties:
            return f"unknown argument '{name[:100]}'; known: {', '.join(properties) or 'none'}"
        if value is None and name not in required:
            continue
        if mismatch := _mismatch(properties[name], value, name):
            return mismatch
    return None


def _mismatch(schema: Mapping[str, Any], value: Any, location: str) -> str | None:  # noqa: ANN401 - a player's value
    kind = schema.get("type")
    if kind and not _is(kind, value, location):
        return f"argument '{location}' must be of type {kind}, not {type(value).__name__}"
    if "enum" in schema and value not in schema["enum"]:
        return f"argument '{location}' must be one of {schema['enum']}"
    if kind == "array":
        inner = schema.get("items") or {}
        return next((bad for i, item in enumerate(value) if (bad := _mismatch(inner, item, f"{location}[{i}]"))), None)
    if kind == "object":
        known = schema.get("properties", {})
        return next(
            (bad for k, v in value.items() if k in known and (bad := _mismatch(known[k], v, f"{location}.{k}"))), None
        )
    return None


def _is(kind: str, value: Any, location: str) -> bool:  # noqa: ANN401 - a player's value
    """Whether a value is of a type as JSON has it: no boolean is a number, and 2.0 is an integer.

    An identifier (`ticket_id`) may be text: some of BFCL's own initial states have such.
    """
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    if kind == "integer" and isinstance(value, str):
        return location.endswith("_id")
    return isinstance(value, KINDS[kind])


def size(value: Any, depth: int) -> float:  # noqa: ANN401 - a player's value
    """Characters of all texts in a value; infinite where it is too deep, or holds what JSON does not."""
    if isinstance(value, str):
        return len(value) + 1
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int | float):
        return 1 if -MAX_INT <= value <= MAX_INT or (isinstance(value, float) and math.isfinite(value)) else math.inf
    if depth <= 0 or not isinstance(value, list | dict):
        return math.inf
    parts = value if isinstance(value, list) else [part for pair in value.items() for part in pair]
    return 1 + sum(size(part, depth - 1) for part in parts)
