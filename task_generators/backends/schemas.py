"""Function documents as JSON Schema.

BFCL and its kin describe a function's parameters in the words of Python, Java or JavaScript (`dict`, `float`, `tuple`,
`ArrayList`, `any` …). What a player is offered is JSON Schema, draft 2020-12, and nothing else.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator, SchemaError
from pydantic import JsonValue

from loop.errors import LoopdError
from loop.types import Tool

TYPES: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(("integer", "int", "byte", "short", "long", "bigint"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("string", "str", "char"), "string"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "arraylist", "queue", "stack", "set"), "array"),
    **dict.fromkeys(("object", "dict", "hashmap", "hashtable", "map"), "object"),
    **dict.fromkeys(("any", "null", ""), None),
}
"""JSON Schema's word for every type that the data sets use; None where any value will do."""

KEPT: Final = ("description", "enum", "minItems", "maxItems", "minimum", "maximum", "format", "pattern", "const")
"""Keywords that mean the same in a function document and in JSON Schema."""

NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
"""What no provider accepts in a tool's name."""

MAX_NAME: Final = 64


class BadDocument(LoopdError):
    """A function document cannot be read as JSON Schema."""


def tool_of(document: Mapping[str, Any], name: str | None = None, *, proven: bool = False) -> Tool:
    """Turn one function document into a tool, under its own name or the given one.

    Args:
        document: the function document.
        name: the tool's name, where it is not the function's.
        proven: the document belongs to a frozen set all of whose schemas were found valid: asking the metaschema again
            costs some milliseconds a document.

    Raises:
        BadDocument: it names a type that nobody knows, or is no function document; the message names the function.
    """
    try:
        parameters = {"type": "object", "properties": {}, **schema_of(document["parameters"])}
        if not proven:
            Draft202012Validator.check_schema(parameters)
        return Tool(name=name or document["name"], description=document["description"], parameters=parameters)
    except (KeyError, TypeError, AttributeError, SchemaError) as error:
        raise BadDocument(f"function '{document.get('name')}': {type(error).__name__}: {error}") from error


def schema_of(document: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Translate one parameter's document, and everything inside it."""
    kind = TYPES[str(document.get("type", "")).strip().lower()]
    schema: dict[str, JsonValue] = {word: document[word] for word in KEPT if word in document}
    if kind is not None:
        schema["type"] = kind
    if kind == "object":
        schema.update(_object(document))
    if kind == "array":
        schema.update(_array(document.get("items")))
    return _with_default(schema, document)


def _object(document: Mapping[str, Any]) -> dict[str, JsonValue]:
    properties = document.get("properties") or {}
    schema: dict[str, JsonValue] = {}
    if properties:
        schema["properties"] = {name: schema_of(inner) for name, inner in properties.items()}
    if required := [name for name in document.get("required") or () if name in properties]:
        schema["required"] = required
    extra = document.get("additionalProperties")
    if isinstance(extra, bool):
        schema["additionalProperties"] = extra
    elif isinstance(extra, dict):
        schema["additionalProperties"] = schema_of(extra)
    return schema


def _array(items: Any) -> dict[str, JsonValue]:  # noqa: ANN401 - a data set's own value
    if isinstance(items, list):
        return {"prefixItems": [schema_of(item) for item in items]}
    return {"items": schema_of(items) if isinstance(items, dict) else {}}


def _with_default(schema: dict[str, JsonValue], document: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Keep a default that the schema allows; tell any other in words."""
    if "default" not in document:
        return schema
    default = document["default"]
    if Draft202012Validator(schema).is_valid(default):
        return {**schema, "default": default}
    description = f"{schema.get('description', '')} Default: {json.dumps(default, ensure_ascii=False)}."
    return {**schema, "description": description.strip()}


def safe_names(names: Sequence[str]) -> dict[str, str]:
    """Map each name to one that every provider accepts: letters, digits, `_` and `-`, at most 64, no two the same."""
    safe: dict[str, str] = {}
    for name in names:
        if name not in safe:
            safe[name] = _free(NAME.sub("_", name)[:MAX_NAME], set(safe.values()))
    return safe


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    numbered = (f"{wanted[: MAX_NAME - len(str(number)) - 1]}_{number}" for number in range(2, len(taken) + 3))
    return next(name for name in numbered if name not in taken)


def original_names(names: Sequence[str]) -> dict[str, str]:
    """Map each safe name back to the name in the data set."""
    return {safe: name for name, safe in safe_names(names).items()}
