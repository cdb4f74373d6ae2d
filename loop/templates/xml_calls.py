"""Calls as Qwen3-Coder and Qwen3.5 write them: `<function=NAME><parameter=KEY>VALUE</parameter></function>`.

Llama 3's custom tools have a JSON object in place of the parameters.

A value is text without quotation marks: whether `7` is a number or a word, only the tool's schema says. Where no schema
says it, what is JSON is read as JSON, and everything else as text.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from loop.canonical import NotJson, parse, parse_at
from loop.templates.reading import CLOSE, OPEN, ParsedCalls, Unreadable, skip_blank
from loop.types import Call, Catalogue

FUNCTION: Final = re.compile(r"<function=([^<>\n]{1,200})>")
PARAMETER: Final = re.compile(r"<parameter=([^<>\n]{1,200})>")
END_OF_FUNCTION: Final = "</function>"
END_OF_PARAMETER: Final = "</parameter>"
PYTHON: Final[Mapping[str, JsonValue]] = {"True": True, "False": False, "None": None}
"""How Jinja spells what JSON spells otherwise."""


def begins(text: str, at: int) -> bool:
    """Whether a call of this form begins here."""
    return text.startswith("<function=", at)


def within_tag(text: str, start: int, calls: ParsedCalls, catalogue: Catalogue | None, *, tagged: bool) -> int:
    """Read the calls from here on, and give the place behind them and their closing tag.

    Raises:
        Unreadable: one does not end, has a parameter twice, or holds something else.
    """
    calls.leniencies |= {"xml_call"} if tagged else {"xml_call", "missing_open"}
    at, before = start, len(calls.calls)
    while begins(text, at):
        at = skip_blank(text, _call(text, at, calls, catalogue))
    if len(calls.calls) - before > 1:
        calls.leniencies.add("calls_in_one_tag")
    if text.startswith(CLOSE, at):
        return at + len(CLOSE)
    if tagged and at < len(text) and not text.startswith(OPEN, at):
        raise Unreadable("something that is no call stands behind a call within its tag")
    if tagged:
        calls.leniencies.add("missing_close")
    return at


def _call(text: str, start: int, calls: ParsedCalls, catalogue: Catalogue | None) -> int:
    opening = FUNCTION.match(text, start)
    if not opening:
        raise Unreadable("a call has no name")
    name = opening[1].strip()
    tool = catalogue.find(name) if catalogue else None
    arguments: dict[str, JsonValue] = {}
    at = skip_blank(text, opening.end())
    if text.startswith("{", at):
        arguments, at = _object(text, at, name)
    for key, value, behind in _parameters(text, at):
        if key in arguments:
            raise Unreadable(f"a call has the parameter '{key[:60]}' twice")
        arguments[key] = _typed(value, _schema(tool.parameters, key) if tool else None)
        at = behind
    at = skip_blank(text, at)
    if not text.startswith(END_OF_FUNCTION, at):
        raise Unreadable(f"the call of {name[:60]} does not end, or holds something that is no parameter")
    calls.add(Call(name=name, arguments=arguments))
    return at + len(END_OF_FUNCTION)


def _object(text: str, at: int, name: str) -> tuple[dict[str, JsonValue], int]:
    """Read arguments that are one JSON object, as Llama 3's custom tools have them."""
    try:
        value, at = parse_at(text, at)
    except NotJson as error:
        raise Unreadable(f"the arguments of {name[:60]} are no JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unreadable(f"the arguments of {name[:60]} are no object")
    return value, at


def _parameters(text: str, at: int) -> Iterator[tuple[str, str, int]]:
    while opening := PARAMETER.match(text, skip_blank(text, at)):
        end = text.find(END_OF_PARAMETER, opening.end())
        if end < 0:
            raise Unreadable(f"the parameter '{opening[1][:60]}' does not end")
        at = end + len(END_OF_PARAMETER)
        # The template puts each value on lines of its own.
        yield opening[1].strip(), text[opening.end() : end].removeprefix("\n").removesuffix("\n"), at


def _schema(parameters: Mapping[str, JsonValue], key: str) -> Mapping[str, JsonValue]:
    properties = parameters.get("properties")
    schema = properties.get(key) if isinstance(properties, dict) else None
    return schema if isinstance(schema, dict) else {}


def _typed(text: str, schema: Mapping[str, JsonValue] | None) -> JsonValue:
    kinds = schema.get("type") if schema else None
    if kinds == "string":
        return text
    if text in PYTHON:
        return PYTHON[text]
    try:
        return parse(text)
    except NotJson:
        return text
