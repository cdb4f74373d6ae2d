"""Hermes function calling (NousResearch): calls in `<tool_call>` tags of the assistant, results in `<tool_response>`.

The tools stand in the system prompt, as JSON or as Python spells it, between `<tools>` tags. So do chat logs of models
that were trained this way, in `conversations` or, with their markup left in, in `messages`.
"""

import re
from typing import Final

from pydantic import JsonValue

from loop.canonical import NotJson
from loop.traces import chat
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.literals import value_of
from loop.traces.reader import RowReader
from loop.traces.tools import catalogue, listed_in
from loop.traces.trace import NotATrace, Trace
from loop.traces.turns import speaker, turns_in
from loop.traces.untrusted import mapping, text, word

__all__ = ["Hermes"]

CALL: Final = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
RESPONSE: Final = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
TOOLS: Final = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
THINK: Final = re.compile(r"^\s*<(think|scratch_pad)>(.*?)</\1>", re.DOTALL)


class Hermes(RowReader):
    """Reads turns with calls in tags."""

    def claims(self, value: JsonValue) -> bool:
        """Whether its turns are marked up with `<tools>` or `<tool_call>`."""
        said = [str(turn.get("value")) for turn in turns_in(value) if isinstance(turn, dict)]
        spoken = {str(turn.get("from")) for turn in turns_in(value) if isinstance(turn, dict)}
        return any("<tool_call>" in word or "<tools>" in word for word in said) and "function_call" not in spoken

    def trace(self, value: JsonValue) -> Trace:
        """Read one row.

        Raises:
            NotATrace: a turn is none.
        """
        row = mapping(value, "the row")
        conversation = Conversation()
        offered = catalogue(row.get("tools"))
        for number, turn in enumerate(turns_in(row)):
            place = f"conversations[{number}].value"
            said = text(mapping(turn, place).get("value"), place)
            who = speaker(turn)
            if who == "system" and not offered.tools:
                inside = TOOLS.search(said)
                offered = listed_in(inside.group(1) if inside else said)
            _hear(conversation, who, said, place)
        return Trace(messages=conversation.finished(), catalogue=offered, conversation=word(row.get("id")))


def _hear(conversation: Conversation, who: str, said: str, location: str) -> None:
    if who == "system":
        conversation.system(said)
    elif who in chat.USERS:
        conversation.user(said)
    elif who in chat.RESULTS:
        for text in RESPONSE.findall(said) or [said]:
            _respond(conversation, text.strip())
    elif who in chat.ASSISTANTS:
        thought = THINK.search(said)
        spoken = said[thought.end() :] if thought else said
        calls = [_call(text) for text in CALL.findall(spoken)]
        conversation.assistant(CALL.sub("", spoken).strip(), calls, thought.group(2).strip() if thought else None)
    else:
        raise NotATrace(f"{location}: unknown speaker '{who[:40]}'")


def _respond(conversation: Conversation, said: str) -> None:
    """Take a response in; one of the form `{"name", "content"}` says whose it is."""
    try:
        value = value_of(said)
    except NotJson:
        conversation.result(said)
        return
    if isinstance(value, dict) and value.keys() <= {"name", "content", "tool_call_id"} and "content" in value:
        conversation.result(chat.result_text(value["content"], "tool_response"), name=word(value.get("name")))
    else:
        conversation.result(said)


def _call(said: str) -> LoggedCall:
    try:
        value = value_of(said.strip())
    except NotJson as error:
        return LoggedCall("", None, f"a call cannot be read: {str(error)[:200]}")
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str):
        return LoggedCall("", None, "a call has no name")
    return chat.asked("", name, value.get("arguments"))
