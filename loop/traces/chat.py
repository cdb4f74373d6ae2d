"""OpenAI's chat messages, which half of all formats carry inside: read one into a conversation."""

from pydantic import JsonValue

from loop.canonical import NotJson, canonical
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.literals import value_of
from loop.traces.trace import NotATrace
from loop.traces.untrusted import mapping, sequence, text, word
from loop.types import Call

INSTRUCTIONS = frozenset({"system", "developer"})
RESULTS = frozenset({"tool", "function", "ipython", "observation", "tool_response"})
ASSISTANTS = frozenset({"assistant", "model", "ai", "gpt"})
USERS = frozenset({"user", "human"})


def hear(conversation: Conversation, value: JsonValue, location: str) -> None:
    """Take one chat message in.

    Raises:
        NotATrace: it is none; the message names the field.
    """
    message = mapping(value, location)
    role = text(message.get("role"), f"{location}.role").lower()
    if role in ASSISTANTS:
        said = content_of(message.get("content"), f"{location}.content")
        conversation.assistant(said, calls_of(message, location), reasoning=_reasoning(message))
    elif role in RESULTS:
        _result(conversation, message, location)
    elif role in USERS:
        conversation.user(content_of(message.get("content"), f"{location}.content"))
    elif role in INSTRUCTIONS:
        conversation.system(content_of(message.get("content"), f"{location}.content"))
    else:
        raise NotATrace(f"{location}.role is '{role[:40]}', which is unknown")


def content_of(value: JsonValue, location: str) -> str:
    """Read a content: a text, nothing, or a list of parts whose texts are joined. What is no text is named.

    Raises:
        NotATrace: it is none of these, or holds a picture or a sound: a model of text would learn half of it.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return text(value, location)
    parts = [mapping(part, f"{location}[{number}]") for number, part in enumerate(sequence(value, location))]
    return "\n".join(_part(part, f"{location}[{number}]") for number, part in enumerate(parts))


def _part(part: dict[str, JsonValue], location: str) -> str:
    for field in ("text", "content", "refusal"):
        if isinstance(part.get(field), str):
            return text(part[field], location)
    raise NotATrace(f"{location} is of type '{word(part.get('type'))[:40]}', which is not text")


def calls_of(message: dict[str, JsonValue], location: str) -> list[LoggedCall]:
    """Read an assistant message's calls: `tool_calls`, `toolCalls`, or the older `function_call`.

    Raises:
        NotATrace: a call has no name.
    """
    listed = message.get("tool_calls") or message.get("toolCalls") or []
    calls = [_call(item, f"{location}.tool_calls[{number}]") for number, item in enumerate(sequence(listed, location))]
    if message.get("function_call"):
        calls.append(_call({"function": message["function_call"]}, f"{location}.function_call"))
    return calls


def _call(value: JsonValue, location: str) -> LoggedCall:
    wrapped = mapping(value, location)
    inner = mapping(wrapped.get("function", wrapped), f"{location}.function")
    name = text(inner.get("name"), f"{location}.function.name")
    given = next((inner[key] for key in ("arguments", "args", "input", "parameters") if key in inner), None)
    return asked(word(wrapped.get("id") or wrapped.get("call_id")), name, given)


def asked(identity: str, name: str, arguments: JsonValue) -> LoggedCall:
    """Read one call; arguments may be an object, a text that holds one, or nothing."""
    if isinstance(arguments, str):
        try:
            arguments = value_of(arguments) if arguments.strip() else {}
        except NotJson as error:
            return LoggedCall(identity, None, f"the arguments of {name[:100]} cannot be read: {str(error)[:200]}")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        return LoggedCall(identity, None, f"the arguments of {name[:100]} are not an object")
    if not name.strip():
        return LoggedCall(identity, None, "a call has no name")
    return LoggedCall(identity, Call(name=name, arguments=arguments))


def _result(conversation: Conversation, message: dict[str, JsonValue], location: str) -> None:
    identity = word(message.get("tool_call_id") or message.get("toolCallId") or message.get("id"))
    conversation.result(result_text(message.get("content"), f"{location}.content"), identity, word(message.get("name")))


def result_text(value: JsonValue, location: str) -> str:
    """Spell a tool's result: a text as it is, text parts joined, any other value as JSON.

    Raises:
        NotATrace: it is too long.
    """
    if value is None or isinstance(value, str):
        return text(value or "", location)
    if isinstance(value, list) and value and all(_is_text_part(item) for item in value):
        return content_of(value, location)
    return text(canonical(value), location)


def _is_text_part(value: JsonValue) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str) and isinstance(value.get("text"), str)


def _reasoning(message: dict[str, JsonValue]) -> str | None:
    for field in ("reasoning_content", "reasoning", "reasoningContent"):
        if isinstance(message.get(field), str):
            return word(message[field])
    return None
