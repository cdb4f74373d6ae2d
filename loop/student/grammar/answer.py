"""What an answer may be, as a grammar that llguidance reads (its dialect of Lark's).

Text is free until the whole opening tag of a call has been said, and again behind the closing one. A call has the name
of a tool on offer, each argument at most once and in any order, the required ones, and values that fit their schema.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from pydantic import JsonValue

from loop.canonical import ordered
from loop.errors import ConfigError
from loop.templates.parse import CLOSE, MAX_CALLS, OPEN
from loop.types import Catalogue, Record, Tool

MAX_DEPTH: Final = 32
"""How deep a schema is followed."""
MAX_KEYS: Final = 64
"""Arguments that may come in any order; of a tool with more they come in the order of their names."""
MAX_INTEGER: Final = 10**15
"""Integers without a bound of their own lie within this: a float holds them, and so does our JSON."""
KINDS: Final = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
SAID: Final = frozenset({"title", "description", "default", "examples", "$comment", "x-guidance", "format"})
"""Words of a schema that are for people, or that no tool of ours checks."""
INNER: Final = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")
"""Words that hold a schema; those below hold several, by name or in a list."""
NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
LISTED: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
PLAIN: Final = frozenset({"type", "properties", "required", "additionalProperties"})
"""Words of an object's schema that let its keys come in any order."""
COMMON: Final = rf"""%llguidance {{"no_forcing": true}}
opened[lazy]: /(?s:.*){OPEN}/
tail: TAIL
TAIL: /(?s:.*)/ & ~/(?s:.*){OPEN}(?s:.*)/
SPACE: / ?/
COMMA: /, ?/
LINE: /\n?/
"""


class Held(Record):
    """What an answer is held to."""

    offered: Catalogue = Catalogue()
    choice: Literal["auto", "required", "none"] = "auto"
    """Whether it may hold calls, must be one, or may hold none."""
    most: int = MAX_CALLS
    """Calls at most."""
    schema_: JsonValue = None
    """JSON Schema that an answer without a call has to fit; None for any text."""

    @property
    def text_alone(self) -> bool:
        """Whether the answer holds no call, so that JSON in it is data, whatever it looks like."""
        return self.choice == "none" or (self.schema_ is not None and not self.offered.tools)


def grammar(held: Held) -> str:
    """Spell what an answer may be.

    Raises:
        ConfigError: calls are required, and no tool is on offer.
    """
    tools = {tool.name: tool for tool in held.offered.tools} if held.choice != "none" else {}
    if held.choice == "required" and not tools:
        raise ConfigError("A call is required, but no tool is on offer: give `tools`.")
    rules = [COMMON, f"start: {_start(held, calls=bool(tools))}", *_schema_rule(held.schema_)]
    if tools:
        names = " | ".join(f"tool_{index}" for index in range(len(tools)))
        rules += [
            f'inner: LINE "{{\\"name\\":" SPACE ({names}) "}}" LINE {_literal(CLOSE)}',
            "call: opened inner",
            f"next: LINE {_literal(OPEN)} inner",
            *(rule for index, tool in enumerate(tools.values()) for rule in tool_rules(index, tool)),
        ]
    return "\n".join(rules) + "\n"


def _start(held: Held, *, calls: bool) -> str:
    more = f" next{{0,{held.most - 1}}}" if held.most > 1 else ""
    alone = f"{_literal(OPEN)} inner{more}"
    if held.choice == "required":
        return alone
    if held.schema_ is not None:
        return f"answer | {alone}" if calls else "answer"
    return f"call{{0,{held.most}}} tail" if calls else "tail"


def _schema_rule(schema: JsonValue) -> Iterator[str]:
    if schema is not None:
        yield f"answer: %json {_spelled(fitted(schema), lenient=False)}"


def tool_rules(index: int, tool: Tool) -> Iterator[str]:
    """Spell what stands behind `"name": ` in a call of this tool."""
    name = _literal(json.dumps(tool.name, ensure_ascii=False))
    yield f'tool_{index}: {name} COMMA "\\"arguments\\":" SPACE args_{index}'
    schema = fitted({"type": "object", **tool.parameters})
    assert isinstance(schema, dict), "a schema with a type is an object"
    properties = schema.get("properties") or {}
    assert isinstance(properties, dict), "fitted() leaves no other"
    if len(properties) > MAX_KEYS or schema.keys() - PLAIN:
        yield f"args_{index}: %json {_spelled(schema)}"
    elif properties:
        yield from _in_any_order(f"args_{index}", properties, set(schema.get("required") or ()))  # type: ignore[arg-type]  # as above
    else:
        yield f'args_{index}: "{{" "}}"'


def _in_any_order(rule: str, properties: Mapping[str, JsonValue], required: set[str]) -> Iterator[str]:
    """Spell an object: bit i of the rules' parameter says that key i is there; the required ones come first."""
    keys = sorted(properties, key=lambda name: (name not in required, name))
    needed = sum(key in required for key in keys)
    members = (f"{rule}_{bit} {rule}_rest::set_bit({bit}) %if bit_clear({bit})" for bit in range(len(keys)))
    yield f'{rule}: "{{" {rule}_keys::0x0' + ("" if needed else ' | "{" "}"')
    yield f"{rule}_keys::_ : {' | '.join(members)}"
    done = f" %if is_ones([0:{needed}])" if needed else ""
    yield f'{rule}_rest::_ : "}}"{done} | COMMA {rule}_keys::_ %if bit_count_lt([0:{len(keys)}], {len(keys)})'
    for bit, key in enumerate(keys):
        spelled = _literal(f"{json.dumps(key, ensure_ascii=False)}:")
        yield f"{rule}_{bit}: {spelled} SPACE {rule}_{bit}_value"
        yield f"{rule}_{bit}_value: %json {_spelled(properties[key])}"


def fitted(schema: JsonValue, depth: int = MAX_DEPTH) -> JsonValue:
    """Rewrite a schema for the library: in the order of keys that the student is taught, and without what says nothing.

    An object whose properties are named has no others, and those that are required without being named hold anything.
    """
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict) or not depth:
        return {}
    made = {word: value for word, value in schema.items() if word not in SAID}
    made |= {word: fitted(made[word], depth - 1) for word in INNER if word in made}
    for word in NAMED:
        if isinstance(held := made.pop(word, None), dict):
            made[word] = {name: fitted(inner, depth - 1) for name, inner in held.items()}
    for word in LISTED:
        if isinstance(several := made.pop(word, None), list):
            made[word] = [fitted(inner, depth - 1) for inner in several]
    return ordered(_with_keys(_with_kinds(made)))


def _with_kinds(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    kinds = schema.pop("type", None)
    known = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind in KINDS]
    if not known:
        return schema
    schema["type"] = known[0] if len(known) == 1 else [*known]
    if "integer" in known and not {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} & schema.keys():
        schema |= {"minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}
    return schema


def _with_keys(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    properties, required = schema.get("properties"), schema.pop("required", None)
    needed = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    if not isinstance(properties, dict) or not properties:
        properties = {name: {} for name in needed}
    if properties:
        schema["properties"] = {name: {} for name in needed} | properties
        schema.setdefault("additionalProperties", False)
    return schema | ({"required": [*needed]} if needed else {})


def _spelled(schema: JsonValue, *, lenient: bool = True) -> str:
    """Spell a schema as the grammar holds it, with JSON as the student writes it: a space or none behind a comma."""
    spacing: dict[str, JsonValue] = {
        "whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?", "lenient": lenient,
    }  # fmt: skip
    rules = schema if isinstance(schema, dict) else {} if schema else {"not": {}}
    return json.dumps(rules | {"x-guidance": spacing}, ensure_ascii=False)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
