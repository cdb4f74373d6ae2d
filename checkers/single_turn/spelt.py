"""Calls that a player wrote into its text, as one of BFCL's format renderings asks for them.

The reading is that of BFCL's own decoders (`default_decode_ast_prompting`), except that nothing is computed: an
argument is a literal. Text around the calls is passed over where BFCL passes over it.
"""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

from pydantic import JsonValue

from loop.calls import NotACall, read_literal
from loop.canonical import NotJson, canonical, parse

MAX_TEXT: Final = 64_000
"""Characters of an answer that are read at all."""

STARTS: Final = 20
"""Places in an answer at which a JSON list of calls is looked for."""


class Spelt(NamedTuple):
    """One call by the function's own name."""

    name: str
    arguments: Mapping[str, JsonValue]


def spelt_calls(text: str, returned: str, *, tagged: bool) -> list[Spelt]:
    """Read the calls of an answer.

    Args:
        text: the whole answer.
        returned: `python`, `json`, `verbose_xml` or `concise_xml`.
        tagged: whether they must stand in `<TOOLCALL>`.

    Raises:
        NotACall: it holds none that is written so; the message says why.
    """
    if len(text) > MAX_TEXT:
        raise NotACall(f"longer than {MAX_TEXT} characters")
    inner = text.strip("`\n ")
    inner = f"{'' if inner.startswith('[') else '['}{inner}{'' if inner.endswith(']') else ']'}"
    if tagged:
        _, begun, rest = inner.partition("<TOOLCALL>")
        inner, ended, _ = rest.partition("</TOOLCALL>")
        if not begun or not ended:
            raise NotACall("no <TOOLCALL> section")
    calls = READERS[returned](inner.strip())
    try:
        parse(canonical([dict(call.arguments) for call in calls]))
    except (ValueError, RecursionError) as error:
        raise NotACall(f"an argument that is no JSON: {error}") from error
    return calls


def _python(text: str) -> list[Spelt]:
    try:
        body = ast.parse(text.strip("'"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotACall(f"{type(error).__name__}: {str(error)[:200]}") from error
    if isinstance(body, ast.Call):
        return [_python_call(body)]
    if not isinstance(body, ast.List | ast.Tuple | ast.Set):
        raise NotACall("not a list of calls")
    return [_python_call(node) for node in body.elts]


def _python_call(node: ast.expr) -> Spelt:
    if not isinstance(node, ast.Call) or node.args:
        raise NotACall("not a call with named arguments")
    pairs = [(word.arg, read_literal(word.value)) for word in node.keywords if word.arg]
    if len(pairs) != len(node.keywords):
        raise NotACall("arguments are unpacked")
    return Spelt(_dotted(node.func), dict(pairs))


def _dotted(node: ast.expr) -> str:
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise NotACall("not a call of a plain name")
    return ".".join([node.id, *reversed(words)])


def _json(text: str) -> list[Spelt]:
    decoder = json.JSONDecoder()
    for place in [match.start() for match in re.finditer(r"\[\s*\{", text)][:STARTS]:
        try:
            _, end = decoder.raw_decode(text, place)
            items: Any = parse(text[place:end])
            return [Spelt(str(item["function"]), dict(item["parameters"])) for item in items]
        except (ValueError, NotJson, RecursionError, KeyError, TypeError):
            continue
    raise NotACall("no JSON list of functions with parameters")


def _verbose(text: str) -> list[Spelt]:
    return [
        Spelt(
            _named(function),
            {_named(parameter): _typed(parameter.get("value", ""), parameter) for parameter in _params(function)},
        )
        for function in _root(text).findall("function")
    ]


def _params(function: ET.Element) -> Sequence[ET.Element]:
    inner = function.find("params")
    return (function if inner is None else inner).findall("param")


def _concise(text: str) -> list[Spelt]:
    return [
        Spelt(
            _named(function),
            {_named(parameter): _typed((parameter.text or "").strip(), parameter) for parameter in _said(function)},
        )
        for function in _root(text).findall("function")
    ]


def _said(function: ET.Element) -> Sequence[ET.Element]:
    return function.findall("param")


def _root(text: str) -> ET.Element:
    """Parse the first `<functions>`; a declaration, which could define entities, is refused."""
    begin, end = text.find("<functions>"), text.find("</functions>")
    if begin < 0 or end < begin:
        raise NotACall("no <functions> element")
    element = text[begin : end + len("</functions>")]
    if "<!" in element or "<?" in element:
        raise NotACall("XML with a declaration")
    try:
        return ET.fromstring(element)  # noqa: S314 - without declarations there are no entities to expand
    except (ET.ParseError, ValueError, RecursionError) as error:
        raise NotACall(f"no XML: {error}") from error


def _named(element: ET.Element) -> str:
    name = element.get("name")
    if name is None:
        raise NotACall(f"<{element.tag}> has no name")
    return name


def _typed(raw: str, element: ET.Element) -> JsonValue:
    """Read a value as the element's type says; text where it says nothing that is known."""
    try:
        match element.get("type", "string"):
            case "integer":
                return int(raw)
            case "float":
                return float(raw)
            case "boolean":
                return raw.lower() == "true"
            case "null":
                return None
            case "array" | "tuple" | "object" | "dict":
                return read_literal(ast.parse(raw.strip(), mode="eval").body)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise NotACall(f"'{raw[:100]}' is no {element.get('type')}") from error
    return raw


READERS: Final[Mapping[str, Callable[[str], list[Spelt]]]] = {
    "python": _python,
    "json": _json,
    "verbose_xml": _verbose,
    "concise_xml": _concise,
}
"""By the name of the return format."""
