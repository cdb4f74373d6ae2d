"""What passes the store's door: text that a database holds, and no secret."""

from pydantic import JsonValue

from loop.canonical import clean
from loop.redaction import blanked, redacted
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


def said(message: Message) -> Message:
    """Blank the secrets that are known in what somebody said; everything else stays as it was said."""
    texts = {name: getattr(message, name) for name in ("content", "reasoning", "fault", "name")}
    changed: dict[str, object] = {
        name: blank for name, text in texts.items() if text and (blank := blanked(text)) != text
    }
    calls = tuple(map(_call, message.calls))
    if calls != message.calls:
        changed["calls"] = calls
    return message.model_copy(update=changed) if changed else message


def _call(call: Call) -> Call:
    arguments, left = dict(call.arguments), {blanked(name): _said(value) for name, value in call.arguments.items()}
    unchanged = blanked(call.name) == call.name and left == arguments
    return call if unchanged else Call(name=blanked(call.name), arguments=left)


def _said(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return blanked(value)
    if isinstance(value, list):
        return [_said(inner) for inner in value]
    return {blanked(name): _said(inner) for name, inner in value.items()} if isinstance(value, dict) else value
