"""xLAM's function-calling rows (Liu et al. 2024, APIGen): a query, the tools, and the calls that answer it.

`tools` and `answers` are texts; parameters are flat, with Python's words for types. There are no results and there is
no closing message: such a row teaches the first call and nothing after it.
"""

from pydantic import JsonValue

from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.reader import RowReader
from loop.traces.tools import catalogue
from loop.traces.trace import Trace
from loop.traces.untrusted import mapping, sequence, spelled, text, word

__all__ = ["Xlam"]


class Xlam(RowReader):
    """Reads rows of `query`, `tools` and `answers`."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it has the three fields."""
        return isinstance(value, dict) and {"query", "answers", "tools"} <= value.keys()

    def trace(self, value: JsonValue) -> Trace:
        """Read one row.

        Raises:
            NotATrace: a field is not what it should be.
        """
        row = mapping(value, "the row")
        conversation = Conversation()
        conversation.user(text(row.get("query"), "query"))
        calls = []
        for number, answer in enumerate(sequence(spelled(row.get("answers"), "answers"), "answers")):
            call = mapping(answer, f"answers[{number}]")
            calls.append(chat.asked("", text(call.get("name"), f"answers[{number}].name"), call.get("arguments")))
        conversation.assistant("", calls)
        return Trace(
            messages=conversation.finished(),
            catalogue=catalogue(row.get("tools")),
            conversation=word(row.get("id")),
        )
