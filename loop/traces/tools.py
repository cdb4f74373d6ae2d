"""Tool schemas as they stood in a trace: OpenAI's, Anthropic's, MCP's, flat ones, with Python's words for types."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, SchemaError
from pydantic import JsonValue

from loop.canonical import NotJson, canonical, parse
from loop.traces.literals import balanced, literal
from loop.traces.trace import NotATrace
from loop.traces.untrusted import mapping, sequence, spelled, text, word
from loop.types import Catalogue, Tool
from task_generators.backends.schemas import TYPES, BadDocument, schema_of

REMEMBERED: Final = 512
"""Catalogues that were read last; most traces of a file offer the same one."""
SCHEMAS: Final = ("parameters", "input_schema", "inputSchema", "params_json_schema")
"""Where formats keep a tool's schema."""
JSON_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})

_read: OrderedDict[str, Catalogue] = OrderedDict()


def catalogue(value: JsonValue, location: str = "tools") -> Catalogue:
    """Read a list of tools, or a text that holds one; nothing is no tools.

    Raises:
        NotATrace: it is no list of tools; the message names the tool.
    """
    if value is None or value == "":
        return Catalogue()
    listed = sequence(spelled(value, location), location)
    key = canonical(list(listed))
    if key not in _read:
        _read[key] = _distinct([tool(item, f"{location}[{number}]") for number, item in enumerate(listed)], location)
        if len(_read) > REMEMBERED:
            _read.popitem(last=False)
    return _read[key]


def _distinct(tools: list[Tool], location: str) -> Catalogue:
    """Keep a tool that is listed twice alike once; two different ones of a name are no catalogue."""
    distinct: dict[str, Tool] = {}
    for tool in tools:
        if distinct.setdefault(tool.name, tool) != tool:
            raise NotATrace(f"{location} has two different tools named '{tool.name}'")
    return Catalogue(tools=tuple(distinct.values()))


def tool(value: JsonValue, location: str) -> Tool:
    """Read one tool.

    Raises:
        NotATrace: it is none.
    """
    document = mapping(spelled(value, location), location)
    inner = document.get("function")
    if isinstance(inner, dict):
        document = inner
    name = text(document.get("name"), f"{location}.name")
    schema = next((document[schema] for schema in SCHEMAS if document.get(schema) is not None), {})
    parameters = _parameters(
        mapping(spelled(schema, f"{location}.parameters"), f"{location}.parameters"), document, location
    )
    return Tool(name=name, description=word(document.get("description")), parameters=parameters)


def _parameters(schema: dict[str, JsonValue], document: Mapping[str, Any], location: str) -> dict[str, JsonValue]:
    """Keep a schema as it stands where it is JSON Schema of an object; else translate it."""
    schema = _whole(schema, document)
    if schema.get("type") == "object" and _standard(schema):
        _check(schema, location)
        return {"properties": {}, **schema}
    try:
        return {"type": "object", "properties": {}, **schema_of(dict(schema))}
    except (KeyError, TypeError, AttributeError, BadDocument, RecursionError) as error:
        raise NotATrace(f"{location}.parameters cannot be read as a schema: {error!r:.200}") from error


def _check(schema: dict[str, JsonValue], location: str) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        raise NotATrace(f"{location}.parameters is not a JSON Schema: {str(error)[:200]}") from error


def _whole(schema: dict[str, JsonValue], document: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Give a flat schema, parameters by name and nothing around them, the form of an object's."""
    if not schema:
        return {"type": "object", "properties": {}}
    if isinstance(schema.get("properties"), dict) or isinstance(schema.get("type"), str):
        return {"type": "object", **schema}
    flat = {name: _flat(member) for name, member in schema.items() if isinstance(member, dict)}
    if len(flat) != len(schema):
        return schema
    required: list[JsonValue] = [name for name, (_, needed) in flat.items() if needed]
    named = document.get("required")
    listed: list[JsonValue] = [name for name in named if name in flat] if isinstance(named, list) else required
    return {"type": "object", "properties": {name: each for name, (each, _) in flat.items()}, "required": listed}


def _flat(parameter: dict[str, JsonValue]) -> tuple[dict[str, JsonValue], bool]:
    """Read `{"type": "str, optional", "default": …}`; a parameter without a default or that word is required."""
    first, *rest = str(parameter.get("type", "")).split(",")
    optional = any("optional" in word for word in rest) or "default" in parameter or parameter.get("required") is False
    base, _, inner = first.strip().lower().partition("[")
    schema: dict[str, JsonValue] = {**parameter, "type": base if base in TYPES else "any"}
    if base in ("list", "set", "tuple") and inner.rstrip("]") in TYPES:
        schema["items"] = {"type": inner.rstrip("]")}
    schema.pop("required", None)
    return schema, not optional


def _standard(schema: Any) -> bool:  # noqa: ANN401 - a stranger's schema
    """Whether every type in a schema is one of JSON Schema's own words."""
    if isinstance(schema, dict):
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind] if isinstance(kind, str) else []
        words = all(isinstance(kind, str) and kind in JSON_TYPES for kind in kinds)
        return words and all(map(_standard, schema.values()))
    return all(map(_standard, schema)) if isinstance(schema, list) else True


def listed_in(prompt: str) -> Catalogue:
    """Find the tools that a system prompt lists: the first list in it of objects with a name, JSON or Python."""
    for start in _brackets(prompt):
        value = _value_at(prompt, start)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            try:
                return catalogue(value)
            except NotATrace:
                continue
    return Catalogue()


def _brackets(prompt: str) -> list[int]:
    """Places where a list of objects may begin; a few at most."""
    starts: list[int] = []
    at = prompt.find("[")
    while at >= 0 and len(starts) < 20:  # noqa: PLR2004 - a prompt with more has no list of tools
        if prompt[at + 1 : at + 50].lstrip().startswith("{"):
            starts.append(at)
        at = prompt.find("[", at + 1)
    return starts


def _value_at(prompt: str, start: int) -> JsonValue:
    end = balanced(prompt, start)
    if end is None:
        return None
    try:
        return parse(prompt[start:end])
    except NotJson:
        return literal(prompt[start:end])
