"""Plain values: what goes into a simulator, what comes out of it, and what its state looks like from outside."""

import math
import random
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import MAX_DEPTH, MAX_INT
from loop.types import Result

MAX_RESULT: Final = 1_000_000
"""Characters of a tool's answer, about."""

MAX_MESSAGE: Final = 2_000
"""Characters of an error's text."""


class Unplain(ValueError):
    """A tool answered something that has no JSON form."""


def copied(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Copy a JSON value, so that nobody else holds any part of it."""
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [copied(inner) for inner in value]
    return value


def failure(message: str) -> Result:
    """Tell the player what went wrong."""
    return Result(ok=False, value={"error": message[:MAX_MESSAGE]})


def plain(answer: Any) -> Result:  # noqa: ANN401 - a simulator's answer
    """Turn what a simulator answered into a result: a snapshot in JSON, `ok` unless it tells of an error.

    BFCL's tools answer an error as `{"error": …}`, and a few as a list around one.
    """
    value = jsonable(answer, MAX_DEPTH)
    if isinstance(value, dict) and "error" in value:
        return Result(ok=False, value=value)
    if isinstance(value, list) and len(value) == 1 and (message := _error_in(value[0])) is not None:
        return failure(message)
    return Result(ok=True, value=value)


def _error_in(item: JsonValue) -> str | None:
    if isinstance(item, dict) and list(item) == ["error"]:
        return str(item["error"])
    return item if isinstance(item, str) and item.startswith("Error: ") else None


def jsonable(value: Any, depth: int) -> JsonValue:  # noqa: ANN401 - a simulator's value
    """Spell a value in JSON: keys become text, sets and tuples lists, integers beyond 64 bits floats.

    Raises:
        Unplain: it is not finite, too deep, or an object of the simulator's own.
    """
    if isinstance(value, str | bool | int | float) or value is None:
        return _number(value) if isinstance(value, int | float) else value
    if depth <= 0:
        raise Unplain(f"the result is nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        return {str(key): jsonable(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner, depth - 1) for inner in value]
    return _rare(value, depth)


def _number(value: float) -> JsonValue:
    if isinstance(value, bool) or (isinstance(value, int) and -MAX_INT <= value <= MAX_INT):
        return value
    if not math.isfinite(value):
        raise Unplain("the result is not a finite number")
    return float(value)


def _rare(value: Any, depth: int) -> JsonValue:  # noqa: ANN401 - a simulator's value
    if isinstance(value, set | frozenset):
        return [jsonable(inner, depth - 1) for inner in sorted(value, key=str)]
    if value is ...:  # BFCL's own long lists hold one
        return "..."
    raise Unplain(f"the result is a {type(value).__name__}, which has no JSON form")


def state_of(instance: Any, *, private: bool = False) -> JsonValue:  # noqa: ANN401 - a simulator
    """Show a simulator's attributes as plain values; the private ones only if asked for."""
    return {
        name: _shown(value)
        for name, value in vars(instance).items()
        if name != "_api_description" and (private or not name.startswith("_"))
    }


def _shown(value: Any) -> JsonValue:  # noqa: ANN401 - a simulator's attribute
    if isinstance(value, random.Random):
        return str(hash(value.getstate()))
    if hasattr(value, "contents"):
        return {"path": _path(value), "contents": _tree(value)}
    try:
        return jsonable(value, MAX_DEPTH)
    except (Unplain, OverflowError):
        return str(value)


def _path(directory: Any) -> list[JsonValue]:  # noqa: ANN401 - BFCL's Directory
    return [*_path(directory.parent), directory.name] if directory.parent else [directory.name]


def _tree(directory: Any) -> JsonValue:  # noqa: ANN401 - BFCL's Directory
    return {
        name: _tree(item) if hasattr(item, "contents") else item.content for name, item in directory.contents.items()
    }
