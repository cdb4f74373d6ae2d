"""The offered tools as a grammar: names from the catalogue, arguments by their JSON Schema.

Of a schema these words count: `type` (one or several), `enum`, `const`, `properties`, `required`, `items` and
`additionalProperties`. A schema that joins others (`anyOf`, `$ref` …) allows any JSON of bounded depth, and what limits
a value further (`pattern`, `minimum` …) is left to the tool: it answers with an error that the player can read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from loop.student.grammar.automaton import (
    DIGITS,
    NEWLINE,
    QUOTE,
    SPACE,
    Exactly,
    Frame,
    Free,
    Items,
    Members,
    Number,
    OneOf,
    Pairs,
    Perhaps,
    Schema,
    State,
    Text,
    Value,
    put,
    spell,
)
from loop.templates.parse import CLOSE
from loop.types import Catalogue, Tool

MAX_DEPTH: Final = 16
"""How deep a schema is followed."""
FREE_DEPTH: Final = 6
"""How deep a value may go where its schema does not say."""
SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "null"})
KINDS: Final = SCALARS | {"array", "object"}
JOINED: Final = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if"})
"""Words that make a schema of several."""
WORDS: Final[Mapping[int, tuple[str, bytes]]] = {
    ord("t"): ("boolean", b"rue"),
    ord("f"): ("boolean", b"alse"),
    ord("n"): ("null", b"ull"),
}


@dataclass(frozen=True, eq=False)
class Kinds:
    """Values of some of JSON's types. Equal only to itself: it is a place in a grammar."""

    names: frozenset[str]
    items: Schema | None = None
    fields: "Named | None" = None
    values: Schema | None = None

    def begin(self, byte: int, below: State) -> State | None:
        """Read a value's first byte: it tells the type."""
        if byte == QUOTE:
            return State(Text(), below) if "string" in self.names else None
        if byte in DIGITS or byte == ord("-"):
            return self._number(byte, below)
        if byte == ord("["):
            return State(Items(self.items), below) if self.items else None
        if byte == ord("{"):
            return self._object(below)
        name, rest = WORDS.get(byte, ("", b""))
        return State(Exactly(rest), below) if name in self.names else None

    def _number(self, byte: int, below: State) -> State | None:
        if not self.names & {"integer", "number"}:
            return None
        part = "-" if byte == ord("-") else "0" if byte == ord("0") else "i"
        return State(Number("number" not in self.names, part), below)

    def _object(self, below: State) -> State | None:
        if self.fields:
            return State(Members(self.fields), below)
        return State(Pairs(self.values), below) if self.values else None


@dataclass(frozen=True, eq=False)
class Literals:
    """One of these values."""

    spelled: tuple[bytes, ...]

    def begin(self, byte: int, below: State) -> State | None:
        """Read the first byte of one."""
        return OneOf(self, tuple(range(len(self.spelled)))).step(byte, below)

    def chosen(self, _: int, below: State) -> State:
        """Go on after it."""
        return below


@dataclass(frozen=True, eq=False)
class Named:
    """An object's keys, with what each holds."""

    spelled: tuple[bytes, ...]
    schemas: tuple[Schema, ...]
    required: int

    def chosen(self, index: int, below: State) -> State:
        """Read the key's value, and note that it was there."""
        assert isinstance(below.frame, Members), "a named key is within its object"
        more = Members(self, below.frame.used | 1 << index)
        return put(below.below, Exactly(b":"), Perhaps(SPACE), Value(self.schemas[index]), more)


@dataclass(frozen=True, eq=False)
class Tools:
    """The names of the tools, with both quotes, and what their arguments are."""

    spelled: tuple[bytes, ...]
    arguments: tuple[Named, ...]

    def chosen(self, index: int, below: State) -> State:
        """Read the arguments."""
        opening = (Exactly(b","), Perhaps(SPACE), Exactly(b'"arguments":'), Perhaps(SPACE), Exactly(b"{"))
        return put(below, *opening, Members(self.arguments[index]))


def answer(catalogue: Catalogue) -> State:
    """Give the state before the first byte of an answer; without a tool on offer no call can begin."""
    return State(Free(_call(catalogue.tools)), None)


def _call(tools: Iterable[Tool]) -> tuple[Frame, ...]:
    unique = {tool.name: tool for tool in tools}
    if not unique:
        return ()
    offered = Tools(tuple(map(spell, unique)), tuple(_arguments(tool.parameters) for tool in unique.values()))
    return (
        Perhaps(NEWLINE),
        Exactly(b'{"name":'),
        Perhaps(SPACE),
        OneOf(offered, tuple(range(len(offered.spelled)))),
        Exactly(b"}"),
        Perhaps(NEWLINE),
        Exactly(CLOSE.encode()),
    )


def _arguments(parameters: Mapping[str, JsonValue]) -> Named:
    return _named(parameters, MAX_DEPTH) or Named((), (), 0)


def compiled(schema: JsonValue, depth: int = MAX_DEPTH) -> Schema:
    """Make a schema's grammar; anything where it says nothing that we know."""
    if not isinstance(schema, dict) or not depth:
        return anything()
    literals = _literals(schema)
    if literals:
        return literals
    names = schema.get("type")
    kinds = {name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str)}
    if JOINED & schema.keys() or not kinds or not kinds <= KINDS:
        return anything()
    items = compiled(schema.get("items"), depth - 1) if "prefixItems" not in schema else anything()
    inner = schema.get("additionalProperties")
    return Kinds(
        frozenset(kinds & SCALARS),
        items=items if "array" in kinds else None,
        fields=_named(schema, depth) or (Named((), (), 0) if inner is False else None) if "object" in kinds else None,
        values=compiled(inner, depth - 1) if "object" in kinds else None,
    )


def anything(depth: int = FREE_DEPTH) -> Schema:
    """Give the grammar of any JSON that is not deeper than this."""
    found = Kinds(SCALARS)
    for _ in range(depth):
        found = Kinds(SCALARS, items=found, values=found)
    return found


def _literals(schema: Mapping[str, JsonValue]) -> Literals | None:
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    spelled = []
    for value in listed if isinstance(listed, list) else ():
        try:
            spelled.append(spell(value))
        except ValueError:  # NaN, which JSON has no word for
            continue
    return Literals(tuple(dict.fromkeys(spelled))) if spelled else None


def _named(schema: Mapping[str, JsonValue], depth: int) -> Named | None:
    """Collect the keys that an object's schema names; None where it names none."""
    properties, needed = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, dict) else {}
    required = {name for name in needed if isinstance(name, str)} if isinstance(needed, list) else set[str]()
    names = [*known, *sorted(required - known.keys())]
    if not names:
        return None
    bits = sum(1 << index for index, name in enumerate(names) if name in required)
    return Named(tuple(map(spell, names)), tuple(compiled(known.get(name), depth - 1) for name in names), bits)
