"""Take values out of JSON that a stranger wrote: of the right type, or an error that names the place."""

import math
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from loop.canonical import MAX_BYTES, NotJson, clean, parse
from loop.traces.trace import NotATrace

MAX_ITEMS: Final = 20_000
"""Messages, calls or tools of one trace."""
MICROSECONDS: Final = 1_000_000
YEAR_2100: Final = 4_102_444_800
"""Seconds since the epoch. A larger number counts milliseconds, microseconds or nanoseconds."""


def mapping(value: JsonValue, location: str) -> dict[str, JsonValue]:
    """Take an object.

    Raises:
        NotATrace: it is something else.
    """
    if not isinstance(value, dict):
        raise NotATrace(f"{location} is {kind(value)}, not an object")
    return value


def sequence(value: JsonValue, location: str) -> list[JsonValue]:
    """Take a list.

    Raises:
        NotATrace: it is something else, or has more than 20,000 items.
    """
    if not isinstance(value, list):
        raise NotATrace(f"{location} is {kind(value)}, not a list")
    if len(value) > MAX_ITEMS:
        raise NotATrace(f"{location} has {len(value)} items; {MAX_ITEMS} are read at most")
    return value


def text(value: JsonValue, location: str) -> str:
    """Take a text.

    Raises:
        NotATrace: it is something else, or longer than a message may be.
    """
    if not isinstance(value, str):
        raise NotATrace(f"{location} is {kind(value)}, not a text")
    if len(value) > MAX_BYTES:
        raise NotATrace(f"{location} is longer than {MAX_BYTES} characters")
    return clean(value)


def word(value: JsonValue) -> str:
    """Take a text where there is one, a number as text, else nothing: for what a trace may lack."""
    if isinstance(value, str):
        return clean(value[:1000])
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def spelled(value: JsonValue, location: str) -> JsonValue:
    """Read JSON that stands inside a text; a value that is no text is taken as it is.

    Raises:
        NotATrace: the text is no JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return parse(value, MAX_BYTES)
    except NotJson as error:
        raise NotATrace(f"{location} is not JSON: {error}") from error


def moment(value: JsonValue) -> int:
    """Read a time as microseconds since the epoch, from ISO 8601 or a count of any unit; 0 where it is none."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value[:20])
    if isinstance(value, str):
        return _from_iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        return 0
    return _from_count(value)


def _from_iso(value: str) -> int:
    try:
        read = datetime.fromisoformat(value.strip())
    except ValueError:
        return 0
    stamp = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return max(0, int(stamp * MICROSECONDS))


def _from_count(value: float) -> int:
    for power in (0, 3, 6, 9):
        if value < YEAR_2100 * 10**power:
            return int(value * 10 ** (6 - power)) if power <= 6 else int(value) // 1000  # noqa: PLR2004 - nanoseconds
    return 0


def kind(value: JsonValue) -> str:
    """Say what a value is, for an error."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")
