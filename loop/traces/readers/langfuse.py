"""Langfuse's exports: traces with their observations, or one observation a row, from its API or its interface.

A GENERATION holds the request in `input` (messages, or an object with `messages` and `tools`) and the answer in
`output`. Generations of one session, or one trace, are stitched together. Both spellings of field names are read:
`traceId` (API v1, exports) and `trace_id` (API v2, SDK).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.traces.exchanges import Chat, Exchange, Gathered, traces_of
from loop.traces.trace import LocatedTrace, NotATrace, SourceRow, UnreadableRow
from loop.traces.untrusted import mapping, moment, sequence, spelled, word
from loop.types import Record

__all__ = ["Langfuse"]

LLM: Final = "GENERATION"


class Langfuse(Record):
    """Reads traces and observations."""

    @property
    def name(self) -> str:
        """The format's name."""
        return "langfuse"

    def claims(self, value: JsonValue) -> bool:
        """Whether it is a trace with observations, or an observation."""
        if not isinstance(value, dict):
            return False
        if isinstance(value.get("observations"), list) and ("timestamp" in value or "projectId" in value):
            return True
        return ("traceId" in value or "trace_id" in value) and "input" in value and "type" in value

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read all generations, then put the conversations together."""
        gathered = Gathered()
        for row in rows:
            try:
                for exchange in _exchanges(row.value):
                    gathered.add(row.place, exchange)
            except NotATrace as error:
                yield UnreadableRow(row.place, str(error))
        for trace in traces_of(gathered):
            yield trace if isinstance(trace, UnreadableRow) else LocatedTrace(trace[0], self.name, trace[1])
        gathered.close()


def _exchanges(value: JsonValue) -> Iterator[Exchange]:
    row = mapping(value, "the row")
    if not isinstance(row.get("observations"), list):
        yield from _exchange(row, {})
        return
    for observation in sequence(row["observations"], "observations"):
        yield from _exchange(mapping(observation, "observations"), row)


def _exchange(seen: dict[str, JsonValue], trace: dict[str, JsonValue]) -> Iterator[Exchange]:
    if seen.get("type") != LLM or seen.get("output") is None:
        return
    heard, tools = _request(spelled_where_it_is(seen.get("input")))
    said = _answer(spelled_where_it_is(seen.get("output")))
    if not heard or not said:
        return
    session = _field(trace, "sessionId", "session_id") or _field(seen, "sessionId", "session_id")
    parameters = seen.get("modelParameters") or seen.get("model_parameters")
    if tools is None and isinstance(parameters, dict):
        tools = spelled_where_it_is(parameters.get("tools"))
    yield Exchange(
        group=session or _field(seen, "traceId", "trace_id") or _field(trace, "id") or _field(seen, "id"),
        heard=heard,
        said=said,
        tools=tools,
        at=moment(seen.get("startTime") or seen.get("start_time")),
        user=_field(trace, "userId", "user_id") or _field(seen, "userId", "user_id"),
        model=_field(seen, "model"),
    )


def spelled_where_it_is(value: JsonValue) -> JsonValue:
    """Read JSON inside a text where it is JSON; a text of words stays one."""
    try:
        return spelled(value, "")
    except NotATrace:
        return value


def _request(value: JsonValue) -> tuple[tuple[Chat, ...], JsonValue]:
    """Find the messages of a request, and its tools."""
    if isinstance(value, str):
        return ({"role": "user", "content": value},), None
    tools = None
    if isinstance(value, dict):
        tools, value = value.get("tools") or value.get("functions"), value.get("messages")
    messages = _messages(value)
    listed = [
        message for message in messages if message.get("role") == "tool" and isinstance(message.get("content"), dict)
    ]
    if tools is None and listed and len(listed) == len([message for message in messages if "role" in message]) - 1:
        tools = [item["content"] for item in listed]
        messages = [message for message in messages if message not in listed]
    return tuple(messages), tools


def _messages(value: JsonValue) -> Sequence[Chat]:
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict) and "role" in item]


def _answer(value: JsonValue) -> tuple[Chat, ...]:
    """Find the message of an answer: itself, a list around it, `choices`, or words."""
    if isinstance(value, str):
        return ({"role": "assistant", "content": value},)
    choices = value.get("choices") if isinstance(value, dict) else None
    if isinstance(choices, list) and choices:
        value = choices[0].get("message") if isinstance(choices[0], dict) else None
    if isinstance(value, list) and value:
        value = value[-1]
    if not isinstance(value, dict):
        return ()
    if "content" in value or "tool_calls" in value or "function_call" in value:
        return ({**value, "role": "assistant"},)
    return ({"role": "assistant", "content": canonical(value)},)


def _field(record: dict[str, JsonValue], *names: str) -> str:
    return next((value for name in names if (value := word(record.get(name)))), "")
