"""`conversations` of `from` and `value`: what ShareGPT, Hermes and ToolACE have in common."""

from collections.abc import Sequence
from typing import TypeGuard

from pydantic import JsonValue

from loop.traces.trace import NotATrace


def turns_in(value: JsonValue) -> Sequence[JsonValue]:
    """Give a row's turns; none where it has none."""
    turns = value.get("conversations") if isinstance(value, dict) else None
    return turns if isinstance(turns, list) else []


def is_turn(turn: JsonValue) -> TypeGuard[dict[str, JsonValue]]:
    """Whether it has a speaker and a value."""
    return isinstance(turn, dict) and isinstance(turn.get("from"), str) and "value" in turn


def speaker(turn: JsonValue) -> str:
    """Name who says a turn.

    Raises:
        NotATrace: it does not say.
    """
    if not is_turn(turn):
        raise NotATrace("a turn of conversations has no 'from' and 'value'")
    return str(turn["from"]).lower()
