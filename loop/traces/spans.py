"""Spans of telemetry in the shapes in which they lie in files: OTLP's JSON, the SDKs' console lines, Phoenix's rows.

https://opentelemetry.io/docs/specs/otlp (JSON encoding); Phoenix writes a span a row, attributes under dotted names.
Attributes come out as one tree: `llm.input_messages.0.message.role` is five steps down it, however it was nested.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from loop.traces.trace import NotATrace
from loop.traces.untrusted import mapping, moment, sequence, word
from loop.types import Record

Tree = dict[str, JsonValue]
KINDS: Final = ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue")
MAX_STEPS: Final = 24
"""Names in one dotted attribute."""


class Span(Record):
    """One span, or what log records tell of one."""

    trace: str
    id: str
    at: int
    attributes: Tree
    logs: tuple[tuple[str, JsonValue], ...] = ()
    """Events by name, in order, each with its body."""


def is_spans(value: JsonValue) -> bool:
    """Whether a row holds spans, or log records, in one of the known shapes."""
    if not isinstance(value, dict):
        return False
    if "resourceSpans" in value or "resourceLogs" in value:
        return True
    return ("attributes" in value and ("context" in value or "context.trace_id" in value)) or any(
        name.startswith("attributes.") for name in value
    )


def spans_in(value: JsonValue) -> Iterator[Span]:
    """Give a row's spans.

    Raises:
        NotATrace: a part is not what it should be.
    """
    row = mapping(value, "the row")
    if "resourceSpans" in row or "resourceLogs" in row:
        yield from _otlp(row)
        return
    flat = {name.removeprefix("attributes."): item for name, item in row.items() if name.startswith("attributes.")}
    attributes = nested(flat or mapping(row.get("attributes", {}), "attributes"))
    context = row.get("context")
    context = context if isinstance(context, dict) else {}
    yield Span(
        trace=word(context.get("trace_id") or row.get("context.trace_id") or row.get("trace_id")),
        id=word(context.get("span_id") or row.get("context.span_id") or row.get("span_id")),
        at=moment(row.get("start_time") or row.get("startTime")),
        attributes=attributes,
    )


def _otlp(row: dict[str, JsonValue]) -> Iterator[Span]:
    for outer, inner, items in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        for resource in sequence(row.get(outer, []), outer):
            for scope in sequence(mapping(resource, outer).get(inner, []), inner):
                for item in sequence(mapping(scope, inner).get(items, []), items):
                    yield _span(mapping(item, items), log=items == "logRecords")


def _span(item: dict[str, JsonValue], *, log: bool) -> Span:
    at = item.get("startTimeUnixNano") or item.get("timeUnixNano") or item.get("observedTimeUnixNano")
    attributes = _pairs(item.get("attributes", []))
    events: list[tuple[str, JsonValue]] = []
    for each in sequence(item.get("events", []), "events"):
        event = mapping(each, "events")
        events.append((word(event.get("name")), nested(_pairs(event.get("attributes", [])))))
    if log:
        name = word(item.get("eventName") or attributes.get("event.name"))
        events.append((name, _value(item.get("body"))))
    return Span(
        trace=word(item.get("traceId")),
        id=word(item.get("spanId")),
        at=moment(at),
        attributes={} if log and not attributes else nested(attributes),
        logs=tuple(events),
    )


def _pairs(value: JsonValue) -> dict[str, JsonValue]:
    pairs = [mapping(attribute, "attributes") for attribute in sequence(value, "attributes")]
    return {word(pair.get("key")): _value(pair.get("value")) for pair in pairs}


def _value(value: JsonValue) -> JsonValue:
    """Read OTLP's tagged value."""
    if not isinstance(value, dict):
        return value
    for name in KINDS:
        if name in value:
            inner = value[name]
            return int(inner) if name == "intValue" and isinstance(inner, str) and _whole(inner) else inner
    listed, pairs = value.get("arrayValue"), value.get("kvlistValue")
    if isinstance(listed, dict):
        return [_value(item) for item in sequence(listed.get("values", []), "arrayValue")]
    return _pairs(pairs.get("values", [])) if isinstance(pairs, dict) else None


def _whole(text: str) -> bool:
    return len(text) < 20 and text.removeprefix("-").isdecimal()  # noqa: PLR2004 - 64 bits


def nested(flat: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Turn dotted names into a tree, at every level of it; a name that is also the beginning of others is dropped.

    Raises:
        NotATrace: a name has too many steps.
    """
    tree: dict[str, JsonValue] = {}
    for name, value in flat.items():
        steps = name.split(".")
        if len(steps) > MAX_STEPS:
            raise NotATrace(f"the attribute '{name[:80]}' has more than {MAX_STEPS} steps")
        level = tree
        for step in steps[:-1]:
            below = level.setdefault(step, {})
            if not isinstance(below, dict):
                below = level[step] = {}
            level = below
        below = level.get(steps[-1])
        if not (isinstance(below, dict) and below):
            level[steps[-1]] = _inner(value)
    return tree


def _inner(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return nested(value)
    return [_inner(item) for item in value] if isinstance(value, list) else value


def branch(tree: JsonValue, *steps: str) -> JsonValue:
    """Walk down a tree; None where it does not go so far."""
    for step in steps:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(step)
    return tree


def items(tree: JsonValue) -> list[JsonValue]:
    """Give a list's items, also where the list is a tree whose names count from 0."""
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, dict):
        return []
    return [tree[name] for name in sorted((name for name in tree if name.isdecimal() and len(name) < 6), key=int)]  # noqa: PLR2004 - places of a list
