"""Claude Code's transcripts: `~/.claude/projects/…/SESSION.jsonl`, one event a line.

Lines of one answer share the message's id, one content block each; results stand in user lines. Side chains, which are
sub-agents' talk, and lines that a compaction repeats are left out. Tools are not written down: there is no catalogue.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

from loop.traces import chat
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.reader import SessionReader
from loop.traces.trace import NotATrace, SourceRow, Trace
from loop.traces.untrusted import mapping, moment, sequence, text, word

__all__ = ["ClaudeCode"]

EVENTS: Final = frozenset(
    {"user", "assistant", "system", "attachment", "summary", "queue-operation", "file-history-snapshot"}
)


class ClaudeCode(SessionReader):
    """Reads transcripts."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it is an event of a session."""
        if not isinstance(value, dict) or word(value.get("type")) not in EVENTS:
            return False
        return "sessionId" in value or "leafUuid" in value or {"uuid", "parentUuid"} <= value.keys()

    def session(self, rows: Iterable[SourceRow]) -> Iterator[Trace]:
        """Read a session.

        Raises:
            NotATrace: a line is no event, or nobody answers.
        """
        conversation, answer = Conversation(), _Answer()
        session, model, happened = "", "", 0
        for row in rows:
            event = mapping(row.value, f"line {row.place.line}")
            if event.get("isSidechain") or event.get("isMeta") or event.get("isCompactSummary"):
                continue
            session = session or word(event.get("sessionId"))
            if event.get("type") not in ("user", "assistant") or not isinstance(event.get("message"), dict):
                continue
            happened = happened or moment(event.get("timestamp"))
            message, place = mapping(event["message"], "message"), f"line {row.place.line}: message"
            if event["type"] == "assistant":
                model = word(message.get("model")) or model
                answer.add(conversation, message, place)
            else:
                answer.close(conversation)
                _hear(conversation, message, place)
        answer.close(conversation)
        yield Trace(messages=conversation.finished(), conversation=session, model=model, happened=happened)


class _Answer:
    """One answer of the assistant, which comes block by block."""

    def __init__(self) -> None:
        self.id = ""
        self.said: list[str] = []
        self.thought: list[str] = []
        self.calls: list[LoggedCall] = []

    def add(self, conversation: Conversation, message: dict[str, JsonValue], location: str) -> None:
        """Take a line's blocks in."""
        identity = word(message.get("id"))
        if identity != self.id:
            self.close(conversation)
        self.id = identity
        content = message.get("content")
        words: list[JsonValue] = [{"type": "text", "text": content}]
        blocks = words if isinstance(content, str) else sequence(content, location)
        for part in blocks:
            block = mapping(part, location)
            if block.get("type") == "text":
                self.said.append(text(block.get("text"), f"{location}.text"))
            elif block.get("type") == "thinking":
                self.thought.append(text(block.get("thinking"), f"{location}.thinking"))
            elif block.get("type") == "tool_use":
                name = text(block.get("name"), f"{location}.name")
                self.calls.append(chat.asked(word(block.get("id")), name, block.get("input")))

    def close(self, conversation: Conversation) -> None:
        """Give the answer to the conversation, where there is one."""
        if self.said or self.calls:
            conversation.assistant("\n".join(self.said), self.calls, "\n".join(self.thought))
        self.id, self.said, self.thought, self.calls = "", [], [], []


def _hear(conversation: Conversation, message: dict[str, JsonValue], location: str) -> None:
    content = message.get("content")
    if isinstance(content, str):
        conversation.user(text(content, location))
        return
    said = []
    for item in sequence(content, f"{location}.content"):
        block = mapping(item, f"{location}.content")
        if block.get("type") == "tool_result":
            answer = chat.result_text(block.get("content"), f"{location}.content")
            ok = None if "is_error" not in block else not block["is_error"]
            conversation.result(answer, word(block.get("tool_use_id")), ok=ok)
        elif block.get("type") == "text":
            said.append(text(block.get("text"), f"{location}.text"))
        else:
            raise NotATrace(f"{location} holds '{word(block.get('type'))[:40]}', which is not text")
    if said:
        conversation.user("\n".join(said))
