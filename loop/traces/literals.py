"""Values that data sets spell as Python does: single quotes, True and None. Read as literals, never run."""

import ast
import re
from typing import Any, Final

from pydantic import JsonValue

from loop.calls import read_call
from loop.canonical import MAX_INT, NotJson, canonical, parse
from loop.types import Call

MAX_TEXT: Final = 200_000
"""Characters of one literal."""
NAME: Final = re.compile(r"[A-Za-z_][\w ./:-]{0,127}")
"""A function's name in a list of calls."""
PAIRS: Final = {"[": "]", "{": "}", "(": ")"}


def value_of(text: str) -> JsonValue:
    """Read JSON, else a Python literal.

    Raises:
        NotJson: it is neither.
    """
    try:
        return parse(text)
    except NotJson as error:
        value = literal(text.strip())
        if value is None and text.strip() not in ("None", "null"):
            raise error from None
        return value


def literal(text: str) -> JsonValue:
    """Read a Python literal; None where it is none that JSON could hold."""
    if len(text) > MAX_TEXT:
        return None
    try:
        return parse(canonical(_plain(ast.literal_eval(text))))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _plain(value: Any) -> JsonValue:  # noqa: ANN401 - whatever a literal may be
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueError
    if isinstance(value, str | int | float) or value is None:
        return value
    raise TypeError


def balanced(text: str, start: int) -> int | None:
    """Find the end of the bracket that opens at `start`, past quoted texts; None where it never closes."""
    expected: list[str] = []
    quote = ""
    place = start
    while place < len(text):
        char = text[place]
        if quote:
            place += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in PAIRS:
            expected.append(PAIRS[char])
        elif char in ")]}":
            if not expected or expected.pop() != char:
                return None
            if not expected:
                return place + 1
        place += 1
    return None


def python_calls(text: str) -> tuple[Call, ...] | None:
    """Read `[name(a=1), other.name(b="x")]`; names may hold dots, slashes and spaces. None where it is no such list.

    Raises:
        NotACall: it is a list of calls, and one of them has an argument that is no literal.
    """
    inner = text.strip()
    if len(inner) > MAX_TEXT or not inner.startswith("[") or balanced(inner, 0) != len(inner):
        return None
    calls: list[Call] = []
    at, end = 1, len(inner) - 1
    while inner[at:end].strip(" ,\n\t"):
        opening = inner.find("(", at, end)
        closing = balanced(inner, opening) if opening >= 0 else None
        name = inner[at:opening].strip(" ,\n\t") if closing is not None else ""
        if closing is None or not NAME.fullmatch(name):
            return None
        calls.append(Call(name=name, arguments=read_call(f"f{inner[opening:closing]}").arguments))
        at = closing
    return tuple(calls)
