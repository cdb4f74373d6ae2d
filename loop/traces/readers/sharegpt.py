"""ShareGPT with tools, as LLaMA-Factory takes it: `conversations` of `from` and `value`, calls under `function_call`.

`function_call` holds one call or a list, `observation` one result or a list of as many; `tools` is a text.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from loop.canonical import NotJson
from loop.traces import chat
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.literals import value_of
from loop.traces.reader import RowReader
from loop.traces.tools import catalogue
from loop.traces.trace import NotATrace, Trace
from loop.traces.turns import is_turn, speaker, turns_in
from loop.traces.untrusted import mapping, text, word

__all__ = ["Sharegpt"]

CALLS = frozenset({"function_call", "tool_call"})
RESULTS = frozenset({"observation", "tool", "function_response"})


class Sharegpt(RowReader):
    """Reads rows whose calls have a speaker of their own, or that have no calls at all."""

    def claims(self, value: JsonValue) -> bool:
        """Whether a turn is a `function_call`, or the row is plain talk with `from` and `value`."""
        turns = [turn for turn in turns_in(value) if is_turn(turn)]
        speakers = {speaker(turn) for turn in turns}
        marked = any("<tool_call>" in str(turn["value"]) or "<tools>" in str(turn["value"]) for turn in turns)
        system = isinstance(value, dict) and isinstance(value.get("system"), str)
        return bool(speakers & CALLS) or bool(speakers and not (marked or system or speakers & {"tool"}))

    def trace(self, value: JsonValue) -> Trace:
        """Read one row.

        Raises:
            NotATrace: a turn or a tool is none.
        """
        row = mapping(value, "the row")
        conversation = Conversation()
        if isinstance(row.get("system"), str) and row["system"]:
            conversation.system(text(row["system"], "system"))
        for number, turn in enumerate(turns_in(row)):
            _hear(conversation, mapping(turn, f"conversations[{number}]").get("value"), speaker(turn), number)
        offered = catalogue(row.get("tools"))
        return Trace(messages=conversation.finished(), catalogue=offered, conversation=word(row.get("id")))


def _hear(conversation: Conversation, value: JsonValue, who: str, number: int) -> None:
    place = f"conversations[{number}].value"
    if who in CALLS:
        conversation.assistant("", _calls(value, place))
    elif who in RESULTS:
        for result in _results(value, len(conversation.open)):
            conversation.result(chat.result_text(result, place))
    elif who == "system":
        conversation.system(text(value, place))
    elif who in chat.ASSISTANTS:
        conversation.assistant(text(value, place))
    elif who in chat.USERS:
        conversation.user(text(value, place))
    else:
        raise NotATrace(f"conversations[{number}].from is '{who[:40]}', which is unknown")


def _calls(value: JsonValue, location: str) -> list[LoggedCall]:
    if isinstance(value, str):
        try:
            value = value_of(value)
        except NotJson as error:
            return [LoggedCall("", None, f"the call cannot be read: {str(error)[:200]}")]
    listed = value if isinstance(value, list) else [value]
    return [_call(item, location) for item in listed]


def _call(value: JsonValue, location: str) -> LoggedCall:
    call = mapping(value, location)
    name = text(call.get("name"), f"{location}.name")
    return chat.asked("", name, call.get("arguments", call.get("parameters")))


def _results(value: JsonValue, calls: int) -> Sequence[JsonValue]:
    """Cut one observation into the results of several calls, where it is a list of as many."""
    if calls < 2:  # noqa: PLR2004 - one result for one call
        return [value]
    try:
        read = value_of(value) if isinstance(value, str) else value
    except NotJson:
        return [value]
    return read if isinstance(read, list) and len(read) == calls else [value]
