"""What rendering is made of: spans of tokens, and how a call is spelled."""

import json
from collections.abc import Callable
from typing import NamedTuple

from pydantic import JsonValue

from loop.templates.parse import CLOSE, OPEN
from loop.types import Call, Message


class TokenSpan(NamedTuple):
    """Tokens of one message that are treated alike."""

    tokens: tuple[int, ...]
    loss: bool
    message: int
    """Index of the message; -1 where the template adds what no message holds."""


def each_string(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """Change every string of a value but the keys of objects."""
    if isinstance(value, dict):
        return {key: each_string(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [each_string(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def call_text(call: Call) -> str:
    """Spell a call as the student is taught to: name first, arguments in sorted order."""
    arguments = json.dumps(dict(call.arguments), sort_keys=True, ensure_ascii=False)
    return f'{OPEN}{{"name": {json.dumps(call.name, ensure_ascii=False)}, "arguments": {arguments}}}{CLOSE}'


def assistant_text(message: Message) -> str:
    """Spell an assistant's message that nobody sampled from the student: a teacher's, or a plan's."""
    return "\n".join([*([message.content] if message.content else []), *map(call_text, message.calls)])
