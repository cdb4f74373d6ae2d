"""OpenInference's spans, as Phoenix exports them and as OTLP JSON carries them.

https://arize-ai.github.io/openinference/spec: `llm.input_messages`, `llm.output_messages` and `llm.tools`, either
flattened into dotted names or nested. Requests of one `session.id`, or one trace, are stitched together.
"""

from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from loop.traces.exchanges import Exchange, Gathered, traces_of
from loop.traces.spans import Span, branch, is_spans, items, spans_in
from loop.traces.trace import LocatedTrace, NotATrace, SourceRow, UnreadableRow
from loop.traces.untrusted import mapping, spelled, text, word
from loop.types import Record

__all__ = ["Openinference"]


class Openinference(Record):
    """Reads LLM spans."""

    @property
    def name(self) -> str:
        """The format's name."""
        return "openinference"

    def claims(self, value: JsonValue) -> bool:
        """Whether it holds a span of OpenInference."""
        try:
            return is_spans(value) and any(_is_ours(span) for span in spans_in(value))
        except NotATrace:
            return False

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read all spans, then put the conversations together."""
        gathered = Gathered()
        for row in rows:
            try:
                for span in spans_in(row.value):
                    if (exchange := _exchange(span)) is not None:
                        gathered.add(row.place, exchange)
            except NotATrace as error:
                yield UnreadableRow(row.place, str(error))
        for trace in traces_of(gathered):
            yield trace if isinstance(trace, UnreadableRow) else LocatedTrace(trace[0], self.name, trace[1])
        gathered.close()


def _is_ours(span: Span) -> bool:
    kind = branch(span.attributes, "openinference", "span", "kind")
    return kind is not None or bool(items(branch(span.attributes, "llm", "input_messages")))


def _exchange(span: Span) -> Exchange | None:
    attributes = branch(span.attributes, "llm")
    heard = [_message(item) for item in items(branch(attributes, "input_messages"))]
    said = [_message(item) for item in items(branch(attributes, "output_messages"))]
    if not heard or not said:
        return None
    tools: list[JsonValue] = [
        spelled(branch(item, "tool", "json_schema"), "llm.tools") for item in items(branch(attributes, "tools"))
    ]
    return Exchange(
        group=word(branch(span.attributes, "session", "id")) or span.trace or span.id,
        heard=tuple(heard),
        said=tuple(said[:1]),
        tools=tools or None,
        at=span.at,
        user=word(branch(span.attributes, "user", "id")),
        model=word(branch(attributes, "model_name")),
    )


def _message(value: JsonValue) -> dict[str, JsonValue]:
    fields = mapping(branch(value, "message") or value, "llm.messages")
    content = fields.get("content")
    if content is None and fields.get("contents") is not None:
        content = "\n".join(_text(item) for item in items(fields["contents"]))
    message: dict[str, JsonValue] = {"role": fields.get("role"), "content": content}
    for name in ("tool_call_id", "name"):
        if name in fields:
            message[name] = fields[name]
    calls: list[JsonValue] = [_call(item) for item in items(fields.get("tool_calls"))]
    return message | ({"tool_calls": calls} if calls else {})


def _text(value: JsonValue) -> str:
    return text(branch(value, "message_content", "text"), "message_content.text")


def _call(value: JsonValue) -> JsonValue:
    fields = mapping(branch(value, "tool_call") or value, "tool_call")
    return {"id": fields.get("id"), "function": fields.get("function", {})}
