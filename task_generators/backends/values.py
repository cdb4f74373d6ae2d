"""Plain values: what goes into a simulator, what comes out of it, and what its state looks like from outside."""

import json
import math
import random
from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic import JsonValue

from loop.canonical import MAX_BYTES, MAX_DEPTH, MAX_INT

MAX_RESULT: Final = MAX_BYTES
"""Characters of a tool's answer in the longest spelling that JSON has for it: ASCII."""

LONGEST: Final = 32
"""Most characters of that spelling for each that `Room` counts: a float beside an empty key, and what parts them."""

MAX_STATE: Final = 8_000_000
"""Characters of all that a world holds."""

MAX_MESSAGE: Final = 2_000
"""Characters of an error's text."""


LEAVES: Final = frozenset({str, int, float, bool, type(None)})
"""Types of values that cannot be changed."""


LONG: Final = 50
"""Items from which on a list is first looked at as a whole."""


Answer = tuple[bool, JsonValue]
"""Whether a call went well, and what it answered."""


class Unplain(ValueError):
    """A tool answered something that has no JSON form, or none that anybody may read."""


class Room:
    """How long an answer may still become. It shrinks as the answer is built, so that none is built beyond it."""

    __slots__ = ("left",)

    def __init__(self, characters: float = math.inf) -> None:
        self.left = characters

    def take(self, characters: int) -> None:
        """Take room for one part of an answer.

        Raises:
            Unplain: there is not that much.
        """
        self.left -= characters
        if self.left < 0:
            raise Unplain("the result is too long: ask for less")


def copied(value: Any) -> Any:  # noqa: ANN401 - a JSON value, a set, or one of BFCL's directories and files
    """Copy a value, so that nobody else holds any part of it."""
    kind = type(value)
    if kind is dict:
        return {key: inner if type(inner) in LEAVES else copied(inner) for key, inner in value.items()}
    if kind is list:
        return [inner if type(inner) in LEAVES else copied(inner) for inner in value]
    if hasattr(value, "contents"):
        directory = kind(value.name)
        directory.contents = copied(value.contents)
        return directory
    if hasattr(value, "content"):
        return kind(value.name, value.content)
    return set(value) if kind is set else value


def failure(message: str) -> Answer:
    """Tell the player what went wrong."""
    return False, {"error": message[:MAX_MESSAGE]}


def plain(answer: Any, most: int = MAX_RESULT) -> tuple[Answer, int]:  # noqa: ANN401 - a simulator's answer
    """Turn what a simulator answered into an answer and its length: a copy in JSON, and whether it tells of no error.

    BFCL's tools answer an error as `{"error": …}`, and a few as a list around one.

    Raises:
        Unplain: it has no JSON form, or one that is longer than `most` characters.
    """
    room = Room(most)
    value = jsonable(answer, MAX_DEPTH, room)
    length = most - room.left
    if length > most // LONGEST:
        length = len(json.dumps(value))
        Room(most).take(length)
    return _judged(value), int(length)


def _judged(value: JsonValue) -> Answer:
    if isinstance(value, dict):
        return "error" not in value, _shortened(value)
    if isinstance(value, list) and len(value) == 1 and (message := _error_in(value[0])) is not None:
        return failure(message)
    return True, value


def _shortened(value: dict[str, JsonValue]) -> JsonValue:
    """Cut the words of an error that repeats what a player sent."""
    message = value.get("error")
    if not isinstance(message, str) or len(message) <= MAX_MESSAGE:
        return value
    return {**value, "error": message[:MAX_MESSAGE]}


def _error_in(item: JsonValue) -> str | None:
    if isinstance(item, dict) and list(item) == ["error"]:
        return str(item["error"])
    return item if isinstance(item, str) and item.startswith("Error: ") else None


def jsonable(value: Any, depth: int, room: Room) -> JsonValue:  # noqa: ANN401 - a simulator's value
    """Spell a value in JSON: keys become text, sets and tuples lists, integers beyond 64 bits floats.

    Raises:
        Unplain: it is not finite, too deep, too long, or an object of the simulator's own.
    """
    kind = type(value)
    if kind is str:
        room.take(len(value))
        return cast("JsonValue", value)
    if kind is bool or value is None:
        return cast("JsonValue", value)
    if kind is int or kind is float:
        return _number(value)
    if depth <= 0:
        raise Unplain(f"the result is nested deeper than {MAX_DEPTH}")
    if kind is dict or kind is Tree:
        room.take(len(value) + len("".join(map(str, value))))
        return {str(key): jsonable(inner, depth - 1, room) for key, inner in value.items()}
    if kind is list or kind is tuple:
        return _listed(value, depth, room)
    return _rare(value, depth, room)


def _listed(value: Any, depth: int, room: Room) -> JsonValue:  # noqa: ANN401 - a simulator's list
    room.take(len(value))
    if len(value) > LONG and {float}.issuperset(map(type, value)) and all(map(math.isfinite, value)):
        return list(value)  # a long context's series, thousands of them
    return [jsonable(inner, depth - 1, room) for inner in value]


def _number(value: float) -> float:
    if -MAX_INT <= value <= MAX_INT:
        return value
    if not math.isfinite(value):
        raise Unplain("the result is not a finite number")
    return float(value)


def _rare(value: Any, depth: int, room: Room) -> JsonValue:  # noqa: ANN401 - a simulator's value
    if isinstance(value, set | frozenset):
        return _listed(sorted(value, key=str), depth, room)
    if value is ...:  # BFCL's own long lists hold one
        return "..."
    raise Unplain(f"the result is a {type(value).__name__}, which has no JSON form")


# --- states ----------------------------------------------------------------------------------------------------------

Snapshot = Mapping[str, Any]
"""A simulator's public attributes at one moment, held by nobody else."""


def attributes_of(instance: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a simulator
    """What a simulator remembers: its own account of that, or its attributes."""
    remembered: Mapping[str, Any] = instance.remembers() if hasattr(instance, "remembers") else vars(instance)
    return remembered


class Tree(dict[str, Any]):
    """A directory as names, texts and trees."""


def tree(directory: Any) -> Tree:  # noqa: ANN401 - BFCL's Directory
    """Copy a directory's names and contents."""
    items = directory.contents.items()
    return Tree({name: item.content if hasattr(item, "content") else tree(item) for name, item in items})


def snapshot(instance: Any) -> Snapshot:  # noqa: ANN401 - a simulator
    """Copy what BFCL compares: the public attributes."""
    return {
        name: {value.name: tree(value)} if hasattr(value, "contents") else copied(value)
        for name, value in attributes_of(instance).items()
        if not name.startswith("_")
    }


def alike(instance: Any, then: Snapshot) -> bool:  # noqa: ANN401 - a simulator
    """Whether a simulator stands where another of its class stood, as BFCL compares them."""
    now = attributes_of(instance)
    return all(same(now[name], value) for name, value in then.items())


def same(now: Any, then: Any) -> bool:  # noqa: ANN401 - an attribute, and one that was kept
    """Whether an attribute is what it was."""
    return bool(now == then or (hasattr(now, "contents") and {now.name: tree(now)} == then))


def state_of(instance: Any, *, private: bool = False) -> JsonValue:  # noqa: ANN401 - a simulator
    """Show a simulator's attributes in JSON; the private ones only if asked for."""
    skipped = "_api_description" if private else "_"
    return {name: shown(value) for name, value in attributes_of(instance).items() if not name.startswith(skipped)}


def shown(value: Any) -> JsonValue:  # noqa: ANN401 - a simulator's attribute, or one that was kept
    """Show one attribute in JSON."""
    if isinstance(value, random.Random):
        return str(hash(value.getstate()))
    if hasattr(value, "contents"):
        return {"/".join(_path(value)): tree(value)}
    try:
        return jsonable(value, MAX_DEPTH, Room())
    except (Unplain, OverflowError):
        return str(value)


def place_of(instance: Any) -> str | None:  # noqa: ANN401 - a simulator
    """Spell the path of a simulator's current directory; None where it has none."""
    directory = getattr(instance, "_current_dir", None)
    return None if directory is None else "/".join(_path(directory))


def _path(directory: Any) -> list[str]:  # noqa: ANN401 - BFCL's Directory
    return [*_path(directory.parent), directory.name] if directory.parent else [directory.name]


def mark(value: Any) -> int:  # noqa: ANN401 - a simulator's attribute, or a part of one
    """Name a value so that equal ones have the same mark, in this process. Much faster than spelling it out."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return hash(value)
    if kind is int or kind is float:
        return hash((value, value < -1))  # Python's hashes of -1 and -2 are the same
    if isinstance(value, dict):
        return hash(frozenset([(key, mark(inner)) for key, inner in value.items()]))
    if isinstance(value, list | tuple | set | frozenset):
        marks = map(mark, value)
        return hash(frozenset(marks) if isinstance(value, set | frozenset) else tuple(marks))
    return _marked_object(value)


def _marked_object(value: Any) -> int:  # noqa: ANN401 - BFCL's file or directory, a random generator
    if hasattr(value, "contents"):
        return mark(value.contents)
    return hash(value.content if hasattr(value, "content") else str(shown(value)))


def mark_of(instance: Any) -> int:  # noqa: ANN401 - a simulator
    """Name where a simulator stands, private attributes included. Of a private directory only the path counts."""
    attributes = attributes_of(instance).items()
    marks = [(name, _marked(name, value)) for name, value in attributes if not name.startswith("_api_description")]
    return hash(frozenset(marks))


def _marked(name: str, value: Any) -> int:  # noqa: ANN401 - a simulator's attribute
    if hasattr(value, "contents"):
        return hash((*_path(value), None if name.startswith("_") else mark(value.contents)))
    return mark(value)
