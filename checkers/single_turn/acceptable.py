"""One call held against the values that count as right: the judgement of `ast_checker` in BFCL.

Patil et al., "The Berkeley Function Calling Leaderboard", 2025. Every parameter has a list of acceptable values, `""`
among them where it may be left out; an object's members have such lists of their own. A value must be of the
parameter's type, or, where the right value is a variable's name, of that value's. Where BFCL's checker would stop with
an error of its own, the call is wrong.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from checkers.single_turn.texts import Texts
from task_generators.backends.literals import read_literal

Value = Any
"""A JSON value of a player's or of the data set's."""

KINDS: Final[Mapping[str, Mapping[str, type]]] = MappingProxyType(
    {
        "python": {
            **dict.fromkeys(("string", "any"), str),
            **dict.fromkeys(("array", "tuple"), list),
            "integer": int,
            "float": float,
            "boolean": bool,
            "dict": dict,
        },
        "java": {
            **dict.fromkeys(("byte", "short", "integer", "long"), int),
            **dict.fromkeys(("float", "double"), float),
            **dict.fromkeys(("char", "String", "any"), str),
            **dict.fromkeys(("Array", "ArrayList"), list),
            "boolean": bool,
            "HashMap": dict,
        },
        "javascript": {
            **dict.fromkeys(("String", "any"), str),
            **dict.fromkeys(("integer", "Bigint"), int),
            "float": float,
            "Boolean": bool,
            "dict": dict,
            "array": list,
        },
    }
)
"""What each language's type names mean. A name beyond them cannot be judged."""

MAX_SHOWN: Final = 200


class ParameterType(NamedTuple):
    """A parameter's type, and that of its elements where it is an array."""

    outer: type
    inner: type | None


class Acceptable(NamedTuple):
    """Holds calls against what counts as right, in one language and under some rules."""

    language: str
    texts: Texts

    def fault(self, document: Mapping[str, Any], arguments: Mapping[str, Value], right: Mapping[str, Value]) -> str:
        """Say what is wrong with a call's arguments; empty where nothing is."""
        parameters = document["parameters"]
        for name in parameters.get("required", ()):
            if name not in arguments:
                return f"'{name}' is missing"
        for name, value in arguments.items():
            if name not in parameters["properties"] or name not in right:
                return f"'{name[:MAX_SHOWN]}' does not belong there"
            if not self._right(parameters["properties"][name], value, right[name]):
                return f"'{name}' is {_short(value)}, not {' or '.join(_short(option) for option in right[name])}"
        missing = (name for name, values in right.items() if name not in arguments and "" not in values)
        return next((f"'{name}' is missing" for name in missing), "")

    def _right(self, document: Mapping[str, Any], value: Value, right: Sequence[Value]) -> bool:
        kind = _kind(document, self.language)
        if kind is None:
            return False
        if self.language != "python":
            if not isinstance(value, str):
                return False
            value = read_literal(value, self.language, document["type"], (document.get("items") or {}).get("type"))
        elif document["type"] == "float" and type(value) is int:
            value = float(value)
        elif "whole_numbers" in self.texts.rules:
            value = _with_floats(document, value)
        fits, variable = _fits(value, right, kind)
        return fits and (self._named(value, right) if variable else self._equal(value, right, kind))

    def _named(self, value: Value, right: Sequence[Value]) -> bool:
        """Whether a value is among the right ones to the letter: the name of a variable."""
        return value in right or any(
            isinstance(value, str) and isinstance(accepted, str) and self.texts.forgiven(value, accepted)
            for accepted in right
        )

    def _equal(self, value: Value, right: Sequence[Value], kind: ParameterType) -> bool:
        if kind.outer is dict:
            return any(self._object(value, accepted) for accepted in right if accepted != "")
        if kind == ParameterType(list, dict):
            return any(self._objects(value, accepted) for accepted in right)
        if kind.outer is str:
            return any(isinstance(accepted, str) and self.texts.same(value, accepted) for accepted in right)
        if kind.outer is list:
            return any(self._items(value, list(accepted)) for accepted in right if isinstance(accepted, str | list))
        return value in right

    def _items(self, value: list[Value], right: list[Value]) -> bool:
        return len(value) == len(right) and all(map(self._same, value, right))

    def _objects(self, value: list[Value], right: Value) -> bool:
        """Compare a list of objects; each may take its members' values from their lists."""
        if not isinstance(right, list | str) or len(value) != len(right):
            return False
        return all(accepted != "" and self._object(mine, accepted) for mine, accepted in zip(value, right, strict=True))

    def _object(self, value: Value, right: Value) -> bool:
        if not isinstance(value, dict) or not isinstance(right, dict):
            return False
        known = all(key in right and self._member(mine, right[key]) for key, mine in value.items())
        return known and all(key in value or _may_lack(values) for key, values in right.items())

    def _member(self, value: Value, right: Value) -> bool:
        values = list(right) if isinstance(right, list | str) else []
        if "nested" in self.texts.rules and not isinstance(right, list):
            values.append(right)
        return any(self._same(value, item) for item in values)

    def _same(self, value: Value, right: Value) -> bool:
        """Compare two values inside of another. What BFCL compares as it stands may be forgiven as nested."""
        if isinstance(value, str) and isinstance(right, str):
            return self.texts.same(value, right)
        if value == right:
            return True
        if "nested" not in self.texts.rules:
            return False
        if isinstance(value, list) and isinstance(right, list):
            return self._items(value, right)
        return self._object(value, right)


def _kind(document: Mapping[str, Any], language: str) -> ParameterType | None:
    """Read a parameter's type; None where it has none that can be judged."""
    kinds = KINDS[language]
    outer = kinds.get(document.get("type", ""))
    if outer is not list:
        return ParameterType(outer, None) if outer else None
    inner = kinds.get((document.get("items") or {}).get("type", ""))
    return ParameterType(list, inner) if inner else None


def _fits(value: Value, right: Sequence[Value], kind: ParameterType) -> tuple[bool, bool]:
    """Say whether a value is of a fitting type, and whether it stands for a variable.

    The first right value tells: where it is of another type than the parameter, it names a variable.
    """
    wanted = next((type(accepted) for accepted in right if accepted != ""), None)
    if type(value) is kind.outer:
        elements = value if isinstance(value, list) else []
        fits = kind.inner is None or _elements_fit(elements, right, kind.inner)
        return fits, wanted not in (None, kind.outer)
    return wanted is not None and type(value) is wanted, True


def _elements_fit(value: list[Value], right: Sequence[Value], inner: type) -> bool:
    return any(
        not isinstance(accepted, list) or all(_fits(item, accepted, ParameterType(inner, None))[0] for item in value)
        for accepted in right
    )


def _with_floats(document: Mapping[str, Any], value: Value) -> Value:
    """Take whole numbers in a list of floats, however deep, for floats: JSON has one kind of number."""
    items = document.get("items") or {}
    if isinstance(value, list):
        return [_with_floats(items, item) for item in value]
    return float(value) if document.get("type") == "float" and type(value) is int and abs(value) < EXACT else value


EXACT: Final = 2**53


def _may_lack(values: Value) -> bool:
    return isinstance(values, list | str | dict) and "" in values


def _short(value: Value) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
