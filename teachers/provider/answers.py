"""Reads what a teacher answered: tool calls that fit the catalogue, or a closing text, or a complaint to send back.

Everything here comes from a model, so it is parsed with bounds, checked against the offered tools' JSON Schemas, and
never run.
"""

import json
from collections.abc import Iterable

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import JsonValue
from referencing import Registry

from loop.canonical import NotJson, canonical, clean, parse
from loop.errors import FailureKind, ProviderError, nearest
from loop.types import Call, Catalogue, Message, Tool
from teachers.provider.complaint import complaint
from teachers.provider.spoken import spoken

NOTHING = frozenset({"", "null", "none", "undefined", "nil"})
"""What servers write for no arguments at all."""
MOST_CALLS = 64
"""Calls in one answer."""


def answer_schema(catalogue: Catalogue) -> dict[str, JsonValue]:
    """Describe the JSON answer of a teacher that has no native tools: strict, small, the same for a whole play.

    Arguments travel as JSON text because strict mode knows no free-form object
    (https://platform.openai.com/docs/guides/structured-outputs).
    """
    final: dict[str, JsonValue] = {"type": ["string", "null"]}
    properties: dict[str, JsonValue] = {"final": final}
    if catalogue.tools:
        properties = {"calls": {"type": "array", "items": _call_schema(catalogue)}, "final": final}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _call_schema(catalogue: Catalogue) -> dict[str, JsonValue]:
    names: list[JsonValue] = [tool.name for tool in catalogue.tools]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "arguments"],
        "properties": {"name": {"type": "string", "enum": names}, "arguments": {"type": "string"}},
    }


def read_answer(text: str, catalogue: Catalogue) -> Message:
    """Read an answer of the form of `answer_schema`.

    Raises:
        ProviderError: BAD_OUTPUT with a complaint that the model can act on.
    """
    answer = _object(text, "the answer")
    final, calls = answer.get("final"), answer.get("calls") or []
    if not isinstance(calls, list) or not (final is None or isinstance(final, str)):
        raise complaint('the answer needs "calls" as a list and "final" as text or null')
    if bool(calls) == bool(final and final.strip()):
        raise complaint('give either "calls" or "final", and leave the other empty')
    if calls:
        return Message(role="assistant", content="", calls=read_calls(map(_pair, calls), catalogue))
    said = spoken(final or "", [tool.name for tool in catalogue.tools]).text
    if not said.strip():
        raise complaint('"final" holds thoughts and no message')
    return Message(role="assistant", content=clean(said))


def _pair(item: JsonValue) -> tuple[str, JsonValue]:
    name = item.get("name") if isinstance(item, dict) else None
    arguments = item.get("arguments") if isinstance(item, dict) else None
    if not isinstance(name, str):
        raise complaint('each call needs "name" and "arguments", both text')
    return name, arguments


def read_calls(pairs: Iterable[tuple[str, JsonValue]], catalogue: Catalogue) -> tuple[Call, ...]:
    """Read calls given as name and arguments, these as JSON text or as they are.

    Raises:
        ProviderError: BAD_OUTPUT for an unknown tool, unreadable arguments or ones that the tool's schema refuses.
    """
    calls = tuple(_call(name, arguments, catalogue) for name, arguments in pairs)
    if len(calls) > MOST_CALLS:
        raise complaint(f"{len(calls)} calls in one answer; make at most {MOST_CALLS}")
    return calls


def _call(name: str, arguments: JsonValue, catalogue: Catalogue) -> Call:
    tool = catalogue.find(name)
    if tool is None:
        raise complaint(f"there is no tool '{name[:80]}'.{nearest(name[:80], [t.name for t in catalogue.tools])}")
    return checked_call(tool, arguments_of(arguments, name))


def arguments_of(given: JsonValue, name: str) -> dict[str, JsonValue]:
    """Read the arguments of a call. Nothing, in any of the ways in which servers spell it, is none.

    Raises:
        ProviderError: BAD_OUTPUT, they are no object.
    """
    for _ in range(2):  # some servers encode the text of an object a second time
        if not isinstance(given, str) or given.strip().lower() in NOTHING:
            break
        given = _json(given, f"the arguments of {name}")
    if given is None or given == [] or (isinstance(given, str) and given.strip().lower() in NOTHING):
        return {}
    if not isinstance(given, dict):
        raise complaint(f"the arguments of {name}: not a JSON object")
    return given


def checked_call(tool: Tool, arguments: dict[str, JsonValue]) -> Call:
    """Hold arguments against the tool's schema.

    Raises:
        ProviderError: BAD_OUTPUT where they do not fit; BAD_INPUT where the schema itself cannot be used.
    """
    arguments = _given(tool, arguments)
    validator = Draft202012Validator(dict(tool.parameters), registry=Registry())  # an empty registry fetches nothing
    try:
        error = best_match(validator.iter_errors(arguments))
    except Exception as broken:
        raise ProviderError(
            FailureKind.BAD_INPUT, f"the schema of {tool.name} cannot be used: {broken}"[:500]
        ) from broken
    if error is not None:
        raise complaint(f"{tool.name}, {error.json_path}: {error.message}")
    return Call(name=tool.name, arguments=_spellable(arguments))


def _spellable(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Replace lone surrogates, which JSON can name and no text can hold."""
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        mended = parse(canonical(arguments))
        assert isinstance(mended, dict)
        return mended
    return arguments


def _given(tool: Tool, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out what is null and not required: many models spell an absent argument so."""
    required = tool.parameters.get("required") or []
    assert isinstance(required, list)
    return {name: value for name, value in arguments.items() if value is not None or name in required}


def _object(text: str, what: str) -> dict[str, JsonValue]:
    value = _json(text, what)
    if not isinstance(value, dict):
        raise complaint(f"{what}: not a JSON object")
    return value


def _json(text: str, what: str) -> JsonValue:
    try:
        return parse(clean(text))
    except NotJson as error:
        raise complaint(f"{what}: not JSON: {error}") from error
