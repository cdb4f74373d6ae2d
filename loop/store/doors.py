"""What passes the store's door: text that a database holds, and no secret."""

from collections.abc import Callable

from pydantic import JsonValue

from loop.canonical import clean
from loop.redaction import redacted
from loop.types import Call, Message


def kept(text: str) -> str:
    """Make a reason or the message of a failure fit to be kept."""
    return clean(redacted(text))


def facts(value: JsonValue) -> JsonValue:
    """Make an event's fields fit to be kept."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [facts(inner) for inner in value]
    return {name: facts(inner) for name, inner in value.items()} if isinstance(value, dict) else value


Blank = Callable[[str], str]
"""Blanks the secrets that are known: `loop.redaction.blanking`."""


def said(message: Message, blank: Blank) -> Message:
    """Blank the secrets that are known in what somebody said; everything else stays as it was said."""
    texts = {name: getattr(message, name) for name in ("content", "reasoning", "fault", "name")}
    changed: dict[str, object] = {name: left for name, text in texts.items() if text and (left := blank(text)) != text}
    calls = tuple(_call(call, blank) for call in message.calls)
    if calls != message.calls:
        changed["calls"] = calls
    return message.model_copy(update=changed) if changed else message


def _call(call: Call, blank: Blank) -> Call:
    arguments, left = dict(call.arguments), {blank(name): _said(value, blank) for name, value in call.arguments.items()}
    unchanged = blank(call.name) == call.name and left == arguments
    return call if unchanged else Call(name=blank(call.name), arguments=left)


def _said(value: JsonValue, blank: Blank) -> JsonValue:
    if isinstance(value, str):
        return blank(value)
    if isinstance(value, list):
        return [_said(inner, blank) for inner in value]
    return {blank(name): _said(inner, blank) for name, inner in value.items()} if isinstance(value, dict) else value
