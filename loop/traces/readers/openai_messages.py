"""OpenAI's messages with tools: the form of fine-tuning files, of mlx-lm's and TRL's data, and of most logs.

A row holds `messages` and, beside it, `tools` (or the older `functions`); arguments are a text or an object. Logged
requests are read as well: `{"request": {"messages", "tools"}, "response": {"choices"}}`, and rows whose conversation is
a text in `context`.
"""

from pydantic import JsonValue

from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.folded import unfolded
from loop.traces.reader import RowReader
from loop.traces.tools import catalogue
from loop.traces.trace import Trace
from loop.traces.untrusted import mapping, moment, sequence, spelled, word

__all__ = ["OpenaiMessages"]


class OpenaiMessages(RowReader):
    """Reads rows with `messages`."""

    unfold: bool = True
    """Read results that stand in user messages, and replies that are made through a tool, as what they are, in a
    conversation that has no tool messages of its own."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it has a list of messages with roles, at one of the known places."""
        if not isinstance(value, dict) or "type" in value or "openinference" in value:
            return False
        context = value.get("context")
        if isinstance(context, str) and not isinstance(value.get("messages"), list):
            return '"messages"' in context[:200]
        messages = _body(value).get("messages")
        return isinstance(messages, list) and bool(messages) and _has_role(messages[0])

    def trace(self, value: JsonValue) -> Trace:
        """Read one row.

        Raises:
            NotATrace: a message or a tool is none.
        """
        row = mapping(value, "the row")
        if isinstance(row.get("context"), str):
            row = {**row, **mapping(spelled(row["context"], "context"), "context")}
        body = _body(row)
        conversation = Conversation()
        for number, message in enumerate(sequence(body.get("messages"), "messages")):
            chat.hear(conversation, message, f"messages[{number}]")
        for message in _answers(row.get("response")):
            chat.hear(conversation, message, "response")
        messages = conversation.finished()
        return Trace(
            messages=unfolded(messages) if self.unfold else messages,
            catalogue=catalogue(body.get("tools") or body.get("functions") or row.get("tools")),
            conversation=word(next((row[name] for name in ("conversation_id", "session_id", "id") if name in row), "")),
            user=word(body.get("user") or row.get("user_id") or row.get("user")),
            model=word(body.get("model") or row.get("model")),
            happened=moment(next((row[name] for name in ("created", "timestamp", "created_at") if name in row), None)),
        )


def _body(row: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for name in ("request", "body"):
        inner = row.get(name)
        if isinstance(inner, dict) and "messages" in inner:
            return inner
    return row


def _has_role(message: JsonValue) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str) and "parts" not in message


def _answers(response: JsonValue) -> list[JsonValue]:
    """Give the message of a logged response's first choice."""
    if not isinstance(response, dict):
        return []
    choices = sequence(response.get("choices", []), "response.choices")
    return [mapping(choice, "response.choices[0]").get("message") for choice in choices[:1]]
