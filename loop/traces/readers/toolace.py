"""ToolACE (Liu et al. 2024): tools stand in the system prompt, calls are `[name(argument=value)]`, results a list."""

from collections.abc import Sequence

from pydantic import JsonValue

from loop.calls import NotACall
from loop.canonical import NotJson
from loop.traces import chat
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.literals import python_calls, value_of
from loop.traces.reader import RowReader
from loop.traces.tools import listed_in
from loop.traces.trace import NotATrace, Trace
from loop.traces.turns import is_turn, speaker, turns_in
from loop.traces.untrusted import mapping, text, word

__all__ = ["Toolace"]


class Toolace(RowReader):
    """Reads rows of `system` and `conversations`."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it has a system prompt beside turns whose speakers are `user`, `assistant` and `tool`."""
        turns = turns_in(value)
        if not isinstance(value, dict) or not isinstance(value.get("system"), str) or not turns:
            return False
        return all(is_turn(turn) and turn["from"] in ("user", "assistant", "tool") for turn in turns)

    def trace(self, value: JsonValue) -> Trace:
        """Read one row.

        Raises:
            NotATrace: a turn is none.
        """
        row = mapping(value, "the row")
        prompt = text(row.get("system"), "system")
        conversation = Conversation()
        conversation.system(prompt)
        for number, turn in enumerate(turns_in(row)):
            place = f"conversations[{number}].value"
            said = text(mapping(turn, place).get("value"), place)
            _hear(conversation, speaker(turn), said, place)
        return Trace(messages=conversation.finished(), catalogue=listed_in(prompt), conversation=word(row.get("id")))


def _hear(conversation: Conversation, who: str, said: str, location: str) -> None:
    if who == "user":
        conversation.user(said)
    elif who == "assistant":
        calls = _calls(said)
        conversation.assistant("" if calls else said, calls)
    elif who == "tool":
        for name, result in _results(said):
            conversation.result(chat.result_text(result, location), name=name)
    else:
        raise NotATrace(f"{location}: unknown speaker '{who[:40]}'")


def _calls(said: str) -> list[LoggedCall]:
    try:
        calls = python_calls(said)
    except NotACall as error:
        return [LoggedCall("", None, f"a call cannot be read: {str(error)[:200]}")]
    return [LoggedCall("", call) for call in calls or ()]


def _results(said: str) -> Sequence[tuple[str, JsonValue]]:
    """Cut `[{"name", "results"}, …]` into the results of the calls."""
    try:
        value = value_of(said)
    except NotJson:
        return [("", said)]
    if not isinstance(value, list) or not value:
        return [("", said)]
    results: list[tuple[str, JsonValue]] = []
    for item in value:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(name, str) or "results" not in item:
            return [("", said)]
        results.append((name, item["results"]))
    return results
