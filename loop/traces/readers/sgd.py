"""The Schema-Guided Dialogue data set (Rastogi et al. 2020): dialogues of user and system, with frames of services.

A system turn that calls a service holds the call and its results beside the words that follow them. Schemas stand in a
file of their own (`schema.json`), so a dialogue has no catalogue; `loopd trace import --tools schema.json` brings it.
"""

from pydantic import JsonValue

from loop.canonical import canonical
from loop.traces.conversation import Conversation, LoggedCall
from loop.traces.reader import RowReader
from loop.traces.trace import NotATrace, Trace
from loop.traces.untrusted import mapping, sequence, text, word
from loop.types import Call

__all__ = ["Sgd"]


class Sgd(RowReader):
    """Reads dialogues."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it has a dialogue's id and turns with speakers."""
        return isinstance(value, dict) and "dialogue_id" in value and isinstance(value.get("turns"), list)

    def trace(self, value: JsonValue) -> Trace:
        """Read one dialogue.

        Raises:
            NotATrace: a turn is none.
        """
        row = mapping(value, "the row")
        conversation = Conversation()
        for number, turn in enumerate(sequence(row.get("turns"), "turns")):
            _hear(conversation, mapping(turn, f"turns[{number}]"), f"turns[{number}]")
        return Trace(messages=conversation.finished(), conversation=word(row.get("dialogue_id")))


def _hear(conversation: Conversation, turn: dict[str, JsonValue], location: str) -> None:
    who, said = turn.get("speaker"), text(turn.get("utterance"), f"{location}.utterance")
    if who == "USER":
        conversation.user(said)
        return
    if who != "SYSTEM":
        raise NotATrace(f"{location}.speaker is neither USER nor SYSTEM")
    for number, item in enumerate(sequence(turn.get("frames", []), f"{location}.frames")):
        frame = mapping(item, f"{location}.frames[{number}]")
        if frame.get("service_call") is not None:
            _call(conversation, frame, f"{location}.frames[{number}]")
    conversation.assistant(said)


def _call(conversation: Conversation, frame: dict[str, JsonValue], location: str) -> None:
    call = mapping(frame["service_call"], f"{location}.service_call")
    name = text(call.get("method"), f"{location}.service_call.method")
    arguments = mapping(call.get("parameters", {}), f"{location}.service_call.parameters")
    conversation.assistant("", [LoggedCall("", Call(name=name, arguments=arguments))])
    results = sequence(frame.get("service_results", []), f"{location}.service_results")
    conversation.result(canonical(list(results)))
