"""Codex's transcripts: `~/.codex/sessions/…/rollout-….jsonl`, one item a line.

What went over the wire are the `response_item` lines, in the words of OpenAI's Responses API: messages, calls and their
outputs, each call and each output an item of its own. What stands in front of the first prompt (the environment, the
project's notes) is the client's, and is told as instructions. Tools are not written down.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.traces import chat
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.reader import SessionReader
from loop.traces.trace import SourceRow, Trace
from loop.traces.untrusted import mapping, moment, sequence, text, word

__all__ = ["CodexRollouts"]

LINES: Final = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "world_state", "compacted"})
OWN: Final = ("<environment_context>", "<user_instructions>", "<permissions", "# AGENTS.md", "<skill")
"""How messages begin that the client wrote in the user's name."""
CALLS: Final = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})


class CodexRollouts(SessionReader):
    """Reads rollouts."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it is a line of a rollout."""
        return isinstance(value, dict) and word(value.get("type")) in LINES and isinstance(value.get("payload"), dict)

    def session(self, rows: Iterable[SourceRow]) -> Iterator[Trace]:
        """Read a rollout.

        Raises:
            NotATrace: a line is no item, or nobody answers.
        """
        conversation, answer = Conversation(), _ModelOutput()
        session, model, happened = "", "", 0
        for row in rows:
            line = mapping(row.value, f"line {row.place.line}")
            payload = line.get("payload")
            if not isinstance(payload, dict):
                continue
            happened = happened or moment(line.get("timestamp"))
            if line.get("type") == "session_meta":
                session = word(payload.get("id"))
            elif line.get("type") == "turn_context":
                model = word(payload.get("model")) or model
            elif line.get("type") == "response_item":
                answer.take(conversation, payload, f"line {row.place.line}")
        answer.close(conversation)
        yield Trace(messages=conversation.finished(), conversation=session, model=model, happened=happened)


class _ModelOutput:
    """What the model said since the last thing that it heard."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.thought: list[str] = []
        self.calls: list[LoggedCall] = []

    def take(self, conversation: Conversation, item: dict[str, JsonValue], location: str) -> None:
        """Take an item in."""
        kind = word(item.get("type"))
        if kind == "reasoning":
            self.thought += [
                word(mapping(each, location).get("text")) for each in sequence(item.get("summary") or [], location)
            ]
        elif kind in CALLS:
            self.calls.append(_call(item, location))
        elif kind == "message" and item.get("role") == "assistant":
            if self.calls:
                self.close(conversation)
            self.said.append(chat.content_of(item.get("content"), location))
        elif kind == "message":
            self.close(conversation)
            _hear(conversation, item, location)
        elif kind in OUTPUTS:
            self.close(conversation)
            output = item.get("output")
            output = output.get("content", output) if isinstance(output, dict) else output
            conversation.result(chat.result_text(output, location), word(item.get("call_id")))

    def close(self, conversation: Conversation) -> None:
        """Give the answer to the conversation, where there is one."""
        if self.said or self.calls:
            conversation.assistant("\n".join(self.said), self.calls, "\n".join(filter(None, self.thought)))
            self.said, self.thought, self.calls = [], [], []


def _hear(conversation: Conversation, item: dict[str, JsonValue], location: str) -> None:
    said = chat.content_of(item.get("content"), location)
    if item.get("role") == "user" and not said.lstrip().startswith(OWN):
        conversation.user(said)
    else:
        conversation.system(said)


def _call(item: dict[str, JsonValue], location: str) -> LoggedCall:
    identity = word(item.get("call_id") or item.get("id"))
    if item["type"] == "local_shell_call":
        return chat.asked(identity, "local_shell", item.get("action"))
    name = text(item.get("name"), f"{location}.name")
    if item["type"] == "custom_tool_call":
        given = item.get("input")
        return chat.asked(identity, name, {"input": given if isinstance(given, str) else canonical(given)})
    return chat.asked(identity, name, item.get("arguments"))
