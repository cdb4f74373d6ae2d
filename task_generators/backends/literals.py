"""Java and JavaScript literals as BFCL reads them, and their spelling.

BFCL asks for the arguments of Java and JavaScript functions as text in the language's own spelling, and reads the text
with a handful of patterns before it compares. What no pattern fits stays text: a variable's name is one. The patterns
here accept what its converters (bfcl-eval 2025, `type_convertor`) accept; nothing is ever run.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

MAX_LITERAL: Final = 4_000
"""Characters of a literal that is read; a longer one stays text."""

INTEGER: Final = re.compile(r"-?\d+")
DECIMAL: Final = r"-?\d+(?:\.\d+)?"
DOUBLE: Final = re.compile(rf"{DECIMAL}(?:[eE][+-]?\d+)?")
FLOAT: Final = re.compile(rf"{DOUBLE.pattern}[fF]")
LONG: Final = re.compile(rf"{INTEGER.pattern}[lL]")
BIGINT: Final = re.compile(rf"{INTEGER.pattern}n")
PLAIN: Final = re.compile(DECIMAL)

AS_LIST: Final = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\(([^\n]+?)\)\)")
ADDED: Final = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*([^}]*)\}\}")
ADD: Final = re.compile(r"add\(([^\n]+?)\)")
NO_LIST: Final = re.compile(r"new\s+ArrayList<\w*>\(\)")
JAVA_ARRAY: Final = re.compile(r"new\s+\w+\[\]\s*\{([^}\n]*)\}")
HASH_MAP: Final = re.compile(r"new\s+HashMap<[^;()]*?>\s*\(\)(?:\s*\{\s*\{?([^}]*)\})?")
PUT: Final = re.compile(r'put\("([^\n]*?)",\s*([^\n]*?)\)')

JS_GRID: Final = re.compile(
    r"\[\s*\[[^\n\]]*\]\s*(?:,\s*\[[^\n\]]*\]\s*)*\]|new\s+Array\(\s*\[[^\n\]]*\]\s*(?:,\s*\[[^\n\]]*\]\s*)*\)"
)
JS_ROW: Final = re.compile(r"\[([^\n\]]*)\]")
JS_ARRAY: Final = re.compile(r"\[([^\n\]]*)\]|new\s+Array\(([^\n)]*)\)")
JS_OBJECT: Final = re.compile(r"\{([^\n}]*)\}")
JS_PAIR: Final = re.compile(r"([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)")


def read_literal(text: str, language: str, kind: str, inner: str | None = None) -> Any:  # noqa: ANN401 - a JSON value
    """Read a literal of a type, `inner` being the type of an array's elements; text where it is none."""
    if len(text) > MAX_LITERAL:
        return text
    return _java(text, kind, inner) if language == "java" else _javascript(text, kind, inner)


# --- Java ------------------------------------------------------------------------------------------------------------


def _number(pattern: re.Pattern[str], make: Callable[[str], Any], suffix: int = 0) -> Callable[[str], Any]:
    """Read what fits a pattern, less its suffix; leave everything else as it is."""

    def read(text: str) -> Any:  # noqa: ANN401 - a number, or the text
        return make(text[: len(text) - suffix]) if pattern.fullmatch(text) and len(text) < MAX_LITERAL else text

    return read


def _truth(text: str) -> bool | str:
    return text == "true" if text in ("true", "false") else text


JAVA: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        **dict.fromkeys(("byte", "short", "integer"), _number(INTEGER, int)),
        "float": _number(FLOAT, float, 1),
        "double": _number(DOUBLE, float),
        "long": _number(LONG, int, 1),
        "boolean": _truth,
    }
)


def _java(text: str, kind: str, inner: str | None) -> Any:  # noqa: ANN401 - a JSON value
    if kind == "ArrayList":
        return _array_list(text, inner)
    if kind == "Array":
        match = JAVA_ARRAY.search(text)
        return text if match is None else [_element(item, inner) for item in _items(match[1]) if item]
    if kind == "HashMap":
        match = HASH_MAP.search(text)
        return (
            text if match is None else {key: _java_value(value.strip()) for key, value in PUT.findall(match[1] or "")}
        )
    return JAVA.get(kind, str)(text)


def _array_list(text: str, inner: str | None) -> Any:  # noqa: ANN401 - a list, or the text
    if match := AS_LIST.search(text):
        items = _items(match[1])
    elif match := ADDED.search(text):
        items = [item.strip() for item in ADD.findall(match[1])]
    else:
        return [] if NO_LIST.search(text) else text
    bare = inner in ("char", "String")
    return [item[1:-1] if bare else _element(item, inner) for item in items]


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _element(text: str, inner: str | None) -> Any:  # noqa: ANN401 - a JSON value
    return _java(text, inner, None) if inner else _java_value(text)


def _java_value(text: str) -> Any:  # noqa: ANN401 - a JSON value
    """Read a literal of any type."""
    if text in ("true", "false"):
        return text == "true"
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if LONG.fullmatch(text) or FLOAT.fullmatch(text):
        return int(text[:-1]) if LONG.fullmatch(text) else float(text[:-1])
    return _loose_number(text)


def _loose_number(text: str) -> Any:  # noqa: ANN401 - a number, or the text
    for make in (int, float):
        try:
            return make(text)
        except ValueError:
            continue
    return text


# --- JavaScript ------------------------------------------------------------------------------------------------------


def _bare(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


JAVASCRIPT: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "String": _bare,
        "integer": _number(INTEGER, int),
        "float": _number(PLAIN, float),
        "Bigint": _number(BIGINT, int, 1),
        "Boolean": _truth,
    }
)


def _javascript(text: str, kind: str, inner: str | None = None) -> Any:  # noqa: ANN401 - a JSON value
    if kind == "array":
        return _js_array(text.strip(), inner)
    return _js_object(text.strip()) if kind == "dict" else JAVASCRIPT.get(kind, str)(text)


def _js_array(text: str, inner: str | None) -> Any:  # noqa: ANN401 - a list, or the text
    if grid := JS_GRID.match(text):
        return [[_js_value(item) for item in _items(row.lstrip("["))] for row in JS_ROW.findall(grid[0])]
    match = JS_ARRAY.match(text)
    if match is None:
        return text
    items = (match[1] if match[1] is not None else match[2]).strip()
    read = (lambda item: _javascript(item, inner)) if inner else _js_value
    return [read(item) for item in _items(items)] if items else []


def _js_object(text: str) -> Any:  # noqa: ANN401 - an object, or the text
    match = JS_OBJECT.match(text)
    if match is None:
        return text
    return {key.strip().strip("'\""): _js_member(value.strip()) for key, value in JS_PAIR.findall(match[1])}


def _js_member(text: str) -> Any:  # noqa: ANN401 - a JSON value
    if text[:1] == "[" and text[-1:] == "]":
        return _js_array(text, None)
    return _js_object(text) if text[:1] == "{" and text[-1:] == "}" else _js_value(text.strip("'\""))


def _js_value(text: str) -> Any:  # noqa: ANN401 - a JSON value
    """Read a literal of any type."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    bare = _bare(text)
    return bare if bare != text else _loose_number(text)


# --- spelling --------------------------------------------------------------------------------------------------------


def spell_literal(value: Any, language: str, kind: str, inner: str | None = None) -> str:  # noqa: ANN401 - a JSON value
    """Spell a value as `read_literal` reads it back, as far as the type has a spelling for it."""
    if isinstance(value, list):
        return _spelt_list(value, language, kind, inner)
    if isinstance(value, dict):
        return _spelt_dict(value, language)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and kind == "float" and language != "java":
        return f"{value}.0"
    return f"{value}{SUFFIXES.get((language, kind), '') if isinstance(value, int | float) else ''}"


SUFFIXES: Final = MappingProxyType({("java", "long"): "L", ("java", "float"): "f", ("javascript", "Bigint"): "n"})


def _spelt_list(value: Sequence[Any], language: str, kind: str, inner: str | None) -> str:
    if language == "javascript":
        return f"[{', '.join(_spelt_js(item, inner) for item in value)}]"
    quoted = kind == "ArrayList" and inner == "String"
    items = ", ".join(f'"{item}"' if quoted else spell_literal(item, language, inner or "any") for item in value)
    return f"new ArrayList<>(Arrays.asList({items}))" if kind == "ArrayList" else f"new Object[]{{{items}}}"


def _spelt_dict(value: Mapping[str, Any], language: str) -> str:
    if language == "javascript":
        return f"{{{', '.join(f'{key}: {_spelt_js(inner)}' for key, inner in value.items())}}}"
    puts = " ".join(f'put("{key}", {_spelt_java(inner)});' for key, inner in value.items())
    return f"new HashMap<>() {{{{ {puts} }}}}"


def _spelt_java(value: Any) -> str:  # noqa: ANN401 - a JSON value
    return f'"{value}"' if isinstance(value, str) else spell_literal(value, "java", "any")


def _spelt_js(value: Any, kind: str | None = None) -> str:  # noqa: ANN401 - a JSON value
    return f"'{value}'" if isinstance(value, str) else spell_literal(value, "javascript", kind or "any")
