"""OpenTelemetry's GenAI spans as OTLP JSON: https://opentelemetry.io/docs/specs/semconv/gen-ai (v0.1 and before).

Messages lie in the attributes `gen_ai.input.messages` and `gen_ai.output.messages` as parts; before that they were
events or log records (`gen_ai.user.message`, `gen_ai.choice`), and OpenLLMetry's are `gen_ai.prompt.N.…`. All three
are read. Requests of one trace, or one `gen_ai.conversation.id`, are stitched together.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.traces.exchanges import Chat, Exchange, Gathered, traces_of
from loop.traces.spans import Span, branch, is_spans, items, spans_in
from loop.traces.trace import LocatedTrace, NotATrace, SourceRow, UnreadableRow
from loop.traces.untrusted import mapping, sequence, spelled, text, word
from loop.types import Record

__all__ = ["Otel"]

ROLES: Final = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


class Otel(Record):
    """Reads GenAI spans and log records."""

    @property
    def name(self) -> str:
        """The format's name."""
        return "otel"

    def claims(self, value: JsonValue) -> bool:
        """Whether it holds a span or an event of GenAI."""
        try:
            return is_spans(value) and any(_is_genai(span) for span in spans_in(value))
        except NotATrace:
            return False

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read all spans, then put the conversations together."""
        gathered, logs = Gathered(), _Logs()
        for row in rows:
            try:
                for span in spans_in(row.value):
                    if span.logs:
                        logs.add(row, span)
                    if (exchange := _exchange(span)) is not None:
                        gathered.add(row.place, exchange)
            except NotATrace as error:
                yield UnreadableRow(row.place, str(error))
        for row, span in logs.spans():
            try:
                if (exchange := _of_events(span)) is not None:
                    gathered.add(row.place, exchange)
            except NotATrace as error:
                yield UnreadableRow(row.place, str(error))
        for trace in traces_of(gathered):
            yield trace if isinstance(trace, UnreadableRow) else LocatedTrace(trace[0], self.name, trace[1])
        gathered.close()


class _Logs:
    """Events by the span that they belong to: log records stand apart from it."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, str], tuple[SourceRow, Span]] = {}

    def add(self, row: SourceRow, span: Span) -> None:
        """Take one in."""
        named = tuple(log for log in span.logs if log[0].startswith("gen_ai."))
        if named:
            first, known = self._spans.get((span.trace, span.id), (row, span.model_copy(update={"logs": ()})))
            self._spans[span.trace, span.id] = first, known.model_copy(update={"logs": (*known.logs, *named)})

    def spans(self) -> list[tuple[SourceRow, Span]]:
        """Give them, each once."""
        return list(self._spans.values())


def _is_genai(span: Span) -> bool:
    openinference = branch(span.attributes, "openinference") or branch(span.attributes, "llm", "input_messages")
    return not openinference and (
        "gen_ai" in span.attributes or any(name.startswith("gen_ai.") for name, _ in span.logs)
    )


def _exchange(span: Span) -> Exchange | None:
    attributes = branch(span.attributes, "gen_ai")
    if not isinstance(attributes, dict):
        return None
    if branch(attributes, "input", "messages") is not None or branch(attributes, "output", "messages") is not None:
        heard = _instructions(attributes.get("system_instructions"))
        heard += _messages(branch(attributes, "input", "messages"), "gen_ai.input.messages")
        said = _messages(branch(attributes, "output", "messages"), "gen_ai.output.messages")
        return _made(span, attributes, heard, said, branch(attributes, "tool", "definitions"))
    if items(attributes.get("prompt")):
        heard = [_indexed(item) for item in items(attributes["prompt"])]
        said = [_indexed(item) | {"role": "assistant"} for item in items(attributes.get("completion"))[:1]]
        tools: list[JsonValue] = [
            _function(item) for item in items(branch(span.attributes, "llm", "request", "functions"))
        ]
        return _made(span, attributes, heard, said, tools or None)
    return None


def _made(
    span: Span, attributes: dict[str, JsonValue], heard: list[Chat], said: list[Chat], tools: JsonValue
) -> Exchange | None:
    if not heard and not said:
        return None
    return Exchange(
        group=word(branch(dict(attributes), "conversation", "id")) or span.trace or span.id,
        heard=tuple(heard),
        said=tuple(said),
        tools=_definitions(tools),
        at=span.at,
        user=word(branch(span.attributes, "user", "id") or branch(span.attributes, "enduser", "id")),
        model=word(branch(dict(attributes), "response", "model") or branch(dict(attributes), "request", "model")),
    )


def _definitions(value: JsonValue) -> JsonValue:
    if value is None:
        return None
    return [spelled(item, "gen_ai.tool.definitions") for item in items(spelled(value, "gen_ai.tool.definitions"))]


def _instructions(value: JsonValue) -> list[Chat]:
    parts = items(spelled(value, "gen_ai.system_instructions")) if value is not None else []
    said = "\n".join(text(mapping(part, "part").get("content"), "part.content") for part in parts)
    return [{"role": "system", "content": said}] if said else []


def _messages(value: JsonValue, location: str) -> list[Chat]:
    if value is None:
        return []
    messages: list[Chat] = []
    for number, item in enumerate(sequence(spelled(value, location), location)):
        message = mapping(item, f"{location}[{number}]")
        messages += _of_parts(word(message.get("role")), message.get("parts", []), f"{location}[{number}]")
    return messages


def _of_parts(role: str, parts: JsonValue, location: str) -> list[Chat]:
    """Turn a message's parts into messages: each result is one of its own."""
    said: list[str] = []
    calls: list[JsonValue] = []
    thoughts: list[str] = []
    results: list[Chat] = []
    for number, item in enumerate(sequence(parts, f"{location}.parts")):
        part = mapping(item, f"{location}.parts[{number}]")
        kind = part.get("type")
        if kind == "tool_call":
            calls.append({"id": part.get("id"), "function": _function(part)})
        elif kind == "tool_call_response":
            answer = part["response"] if "response" in part else part.get("result")
            results.append({"role": "tool", "tool_call_id": word(part.get("id")), "content": _spelled(answer)})
        elif kind == "reasoning":
            thoughts.append(text(part.get("content"), f"{location}.parts[{number}].content"))
        else:
            said.append(text(part.get("content"), f"{location}.parts[{number}].content"))
    if results and not said and not calls:
        return results
    message: dict[str, JsonValue] = {"role": ROLES.get(role, role), "content": "\n".join(said)}
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning"] = "\n".join(thoughts)
    return [*results, message]


def _spelled(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical(value)


def _function(part: JsonValue) -> dict[str, JsonValue]:
    fields = mapping(part, "function")
    return {name: fields[name] for name in ("name", "description", "parameters", "arguments") if name in fields}


def _indexed(value: JsonValue) -> dict[str, JsonValue]:
    """Read OpenLLMetry's `{"role", "content", "tool_calls": {"0": {"name", "arguments", "id"}}}`."""
    fields = mapping(value, "gen_ai.prompt")
    message: dict[str, JsonValue] = {
        name: fields[name] for name in ("role", "content", "tool_call_id") if name in fields
    }
    calls: list[JsonValue] = [
        {"id": mapping(item, "tool_calls").get("id"), "function": _function(item)}
        for item in items(fields.get("tool_calls"))
    ]
    return message | ({"tool_calls": calls} if calls else {})


def _of_events(span: Span) -> Exchange | None:
    heard: list[Chat] = []
    said: list[Chat] = []
    for name, value in span.logs:
        body = mapping(value, name) if value is not None else {}
        if name == "gen_ai.client.inference.operation.details":
            return None
        role = name.removeprefix("gen_ai.").removesuffix(".message")
        if name == "gen_ai.choice":
            inner = body.get("message", body)
            said = said or [{"role": "assistant", **mapping(inner, f"{name}.message")}]
        elif role in ROLES:
            heard.append({**body, "role": role} | ({"tool_call_id": body["id"]} if "id" in body else {}))
    attributes = branch(span.attributes, "gen_ai")
    return _made(span, attributes if isinstance(attributes, dict) else {}, heard, said[:1], None)
