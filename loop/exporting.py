"""Datasets in the field's own format: one JSON object a line with `messages` and `tools`.

That is what mlx-lm's `tools` data, TRL and the chat templates of the hub read. Arguments are an object, or a string for
those who want OpenAI's spelling.
"""

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue

from loop.types import Accepted, Call, Message, Tool

Arguments = Literal["object", "string"]


def row(accepted: Accepted, arguments: Arguments = "object") -> dict[str, JsonValue]:
    """Spell one trajectory."""
    tools: list[JsonValue] = [_tool(tool) for tool in accepted.trajectory.catalogue.tools]
    messages: list[JsonValue] = list(_messages(accepted.trajectory.messages, arguments))
    return {"messages": messages, "tools": tools}


def _messages(messages: tuple[Message, ...], arguments: Arguments) -> Iterator[JsonValue]:
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if message.role == "assistant":
            waiting = [f"call_{place}_{number}" for number in range(len(message.calls))]
            yield _assistant(message, waiting, arguments)
        elif message.role == "tool":
            yield {"role": "tool", "tool_call_id": waiting.pop(0), "name": message.name, "content": message.content}
        else:
            yield {"role": message.role, "content": message.content}


def _assistant(message: Message, ids: list[str], arguments: Arguments) -> JsonValue:
    said: dict[str, JsonValue] = {"role": "assistant", "content": message.content}
    if message.calls:
        said["tool_calls"] = [_call(each, name, arguments) for each, name in zip(message.calls, ids, strict=True)]
    return said


def _call(call: Call, identity: str, arguments: Arguments) -> JsonValue:
    return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": _spelled(call, arguments)}}


def _spelled(call: Call, arguments: Arguments) -> JsonValue:
    given = dict(call.arguments)
    return given if arguments == "object" else json.dumps(given, ensure_ascii=False)


def _tool(tool: Tool) -> JsonValue:
    function: dict[str, JsonValue] = tool.model_dump(mode="json")
    return {"type": "function", "function": function}
