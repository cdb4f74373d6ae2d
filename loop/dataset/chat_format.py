"""Conversations in the field's own format: `messages` and `tools`, as chat templates, mlx-lm's data and TRL read them.

There is no word in it for a tool that comes later. It stands, spelled as JSON, in the message that brought it, which is
what a student with the model's own template reads too.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Literal

from pydantic import JsonValue

from loop.canonical import ordered
from loop.types import Accepted, Call, Catalogue, Message, Tool

Arguments = Literal["object", "string"]
"""How a call's arguments are spelled; JSON as a string is OpenAI's way."""


def row(accepted: Accepted, arguments: Arguments = "object") -> dict[str, JsonValue]:
    """Spell one trajectory."""
    conversation, catalogue = accepted.trajectory.messages, accepted.trajectory.catalogue
    return {"messages": [*messages(conversation, catalogue, arguments)], "tools": [*tools(conversation, catalogue)]}


def tools(messages: Sequence[Message], catalogue: Catalogue) -> list[dict[str, JsonValue]]:
    """Spell the tools that are on offer from the start."""
    later = {name for message in messages for name in message.adds}
    return [_tool(tool) for tool in catalogue.tools if tool.name not in later]


def messages(
    conversation: Sequence[Message],
    catalogue: Catalogue,
    arguments: Arguments = "object",
    tell: Callable[[Message, Catalogue], str] | None = None,
) -> Iterator[dict[str, JsonValue]]:
    """Spell a conversation. Calls and the results that answer them are numbered through.

    Args:
        conversation: the messages.
        catalogue: every tool of the conversation.
        arguments: how calls spell theirs.
        tell: spells the tools that come with a message; as JSON where it is left out.
    """
    tell = tell or new_tools
    numbers, waiting = count(1), list[str]()
    for message in conversation:
        more: dict[str, JsonValue] = {"name": message.name} if message.name else {}
        if message.role == "tool":
            more |= {"tool_call_id": waiting.pop(0)} if waiting else {}
        else:  # Mistral's templates want nine letters and digits
            waiting = [f"call{number:05d}" for _, number in zip(message.calls, numbers, strict=False)]
            named = zip(message.calls, waiting, strict=True)
            more |= {"tool_calls": [_call(call, name, arguments) for call, name in named]} if message.calls else {}
        yield {"role": message.role, "content": message.content + tell(message, catalogue), **more}


def new_tools(message: Message, catalogue: Catalogue) -> str:
    """Spell the tools that come with a message, to stand behind its text; empty where none comes."""
    added = [tool for name in message.adds if (tool := catalogue.find(name))]
    lines = "\n".join(json.dumps(_tool(tool), ensure_ascii=False) for tool in added)
    return f"\n\nNew tools:\n{lines}" if lines else ""


def _call(call: Call, name: str, arguments: Arguments) -> JsonValue:
    given = ordered(dict(call.arguments))
    spelled = given if arguments == "object" else json.dumps(given, ensure_ascii=False)
    return {"id": name, "type": "function", "function": {"name": call.name, "arguments": spelled}}


def _tool(tool: Tool) -> dict[str, JsonValue]:
    parameters = ordered(dict(tool.parameters))
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }
