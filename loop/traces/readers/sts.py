"""Hugging Face's Session Trace Simple Format: a header line, then one message a line.

https://huggingface.co/docs/hub/session-traces-format (read 2026-11). A call's arguments are a text; a result names the
call that it answers; times are milliseconds.
"""

from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.reader import SessionReader
from loop.traces.tools import catalogue
from loop.traces.trace import NotATrace, SourceRow, Trace
from loop.traces.untrusted import mapping, moment, word

__all__ = ["Sts"]


class Sts(SessionReader):
    """Reads files that begin with a session's header; a file may hold several sessions, one after another."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it is a session's header."""
        return isinstance(value, dict) and value.get("type") == "session" and {"harness", "id"} <= value.keys()

    def session(self, rows: Iterable[SourceRow]) -> Iterator[Trace]:
        """Read the sessions of a file.

        Raises:
            NotATrace: a line is no message.
        """
        header: dict[str, JsonValue] = {}
        messages: list[tuple[int, dict[str, JsonValue]]] = []
        for row in rows:
            line = mapping(row.value, f"line {row.place.line}")
            if line.get("type") == "session":
                if messages:
                    yield _trace(header, messages)
                header, messages = line, []
            elif line.get("type") == "message":
                messages.append((row.place.line, mapping(line.get("message"), f"line {row.place.line}: message")))
        if messages:
            yield _trace(header, messages)
        elif not header:
            raise NotATrace("it holds no session")


def _trace(header: dict[str, JsonValue], messages: list[tuple[int, dict[str, JsonValue]]]) -> Trace:
    conversation = Conversation()
    for line, message in messages:
        chat.hear(conversation, dict(message), f"line {line}: message")
    models = [word(message.get("model")) for _, message in messages if message.get("model")]
    times = [at for _, message in messages if (at := moment(message.get("timestamp")))]
    return Trace(
        messages=conversation.finished(),
        catalogue=catalogue(header.get("tools")),
        conversation=word(header.get("id")),
        user=word(header.get("user")),
        model=models[-1] if models else "",
        happened=min(times, default=0),
    )
