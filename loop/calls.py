"""Tool calls spelt as Python: `cd(folder='docs')`. Read as literals, never run.

Data sets spell their gold calls so, and some models their answers. What is not one call of a plain name with literal
arguments is refused: no attribute, no operator, no nested call, no comprehension.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import MAX_INT, NotJson, canonical, parse
from loop.types import Call

MAX_TEXT: Final = 64_000
"""Characters of one spelt call."""


class NotACall(ValueError):
    """The text is not one call with literal arguments."""


def read_call(text: str, positions: Mapping[str, Sequence[str]] | None = None) -> Call:
    """Read one call. `positions` names the parameters of every tool, in order, for arguments given by place.

    Raises:
        NotACall: the message says what stands there instead.
    """
    node = _expression(text)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise NotACall("not a call of a plain name")
    name, order = node.func.id, (positions or {}).get(node.func.id, ())
    if len(node.args) > len(order):
        raise NotACall(f"{name}: too many arguments without a name")
    pairs = [*zip(order, node.args, strict=False), *((word.arg, word.value) for word in node.keywords)]
    arguments = {word: read_literal(value) for word, value in pairs if word is not None}
    if len(arguments) != len(pairs):
        raise NotACall(f"{name}: an argument is repeated or unpacked")
    return Call(name=name, arguments=arguments)


def _expression(text: str) -> ast.expr:
    if len(text) > MAX_TEXT:
        raise NotACall(f"longer than {MAX_TEXT} characters")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotACall(f"{type(error).__name__}: {str(error)[:200]}") from error


def read_literal(node: ast.expr) -> JsonValue:
    """Read a literal. What JSON cannot hold as it stands (bytes, sets, complex or huge numbers) is refused.

    Raises:
        NotACall: it is none, or none that JSON holds.
    """
    try:
        return parse(canonical(_plain(ast.literal_eval(node))))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, NotJson) as error:
        raise NotACall(f"not a literal: {str(error)[:200]}") from error


def _plain(value: Any) -> JsonValue:  # noqa: ANN401 - whatever a literal may be
    """Give tuples the form of lists."""
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise NotACall("an integer beyond 64 bits")
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    raise NotACall(f"a {type(value).__name__} is not a JSON value")
