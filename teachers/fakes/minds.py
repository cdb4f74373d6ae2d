"""What a fake provider answers: the next step of a task's plan, found from the conversation that it was sent."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from loop.types import Catalogue, Message, Task

Mind = Callable[[list[Message]], Message]
"""Answers a conversation, of which it sees the users' and the tools' messages."""


def knowing(*tasks: Task) -> Mind:
    """Play the plan of whichever of these tasks the conversation is about."""
    from teachers.scripted import Scripted  # noqa: PLC0415 - only this mind needs the worlds

    by_opening = {task.turns[0].user: Scripted().open(task, 0) for task in tasks}

    def answer(messages: list[Message]) -> Message:
        opening = next(message.content for message in messages if message.role == "user")
        return by_opening[opening].reply(messages, Catalogue()).message

    return answer


def saying(*answers: Message) -> Mind:
    """Answer the same, in turn, whatever is asked; the last one again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def closing(text: str = "Done.") -> Message:
    """Make an answer without a call."""
    return Message(role="assistant", content=text)


def messages_in(prompt: str) -> list[Message]:
    """Read the users' and the tools' messages out of a prompt that `teachers.provider.prompt` wrote."""
    messages = (_line(text) for text in prompt.splitlines() if text.startswith('{"role":'))
    return heard(line for line in messages if line)


def heard(items: Iterable[dict[str, Any]]) -> list[Message]:
    """Keep what users and tools said."""
    return [_message(item) for item in items if item.get("role") in {"user", "tool"}]


def _message(item: dict[str, Any]) -> Message:
    if item["role"] == "user":
        return Message(role="user", content=item["content"])
    return Message(role="tool", content=item.get("result", item.get("content", "")), ok=item.get("ok"))


def _line(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}


def as_json(message: Message) -> str:
    """Spell an answer in the form of `teachers.provider.answers.answer_schema`."""
    calls = [{"name": call.name, "arguments": json.dumps(call.arguments)} for call in message.calls]
    return json.dumps({"calls": calls, "final": None if calls else message.content})
