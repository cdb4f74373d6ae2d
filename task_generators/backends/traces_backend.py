"""A world that was read off traces: what the tools answered then is what they answer now.

`initial` holds `tools` (name, description, parameters), `answers` (what a tool answered to which arguments) and, where
the results told of things, `rows` and `rules`: the rows of a table behind the tools, and for each tool how it uses
them. A tool that finds gives the rows in which its arguments stand; one that writes adds what it was called with to
the row that it names, and remembers it. Anything else is answered as it was, or not at all.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.types import Record, Tool

TRACES: Final = "Traces"
"""The backend's name."""
MOST: Final = 10
"""Rows that a search gives."""


class TracedWorld:
    """One play's instance."""

    def __init__(self, initial: Mapping[str, Any]) -> None:
        self.rows: list[dict[str, JsonValue]] = list(initial.get("rows", ()))
        self.made: list[dict[str, JsonValue]] = []
        self._rules: Mapping[str, Mapping[str, Any]] = initial.get("rules", {})
        self._answers: dict[str, JsonValue] = {
            _key(name, given): answer for name, given, answer in initial.get("answers", ())
        }

    def remembers(self) -> dict[str, JsonValue]:
        """Everything that later calls depend on and earlier ones may have changed."""
        return {"made": [*self.made]}

    def tool(self, name: str) -> Callable[..., JsonValue]:
        """Find what answers a tool."""
        rule = self._rules.get(name)
        acts = {"find": self._find, "write": self._write}
        if rule is None or rule["act"] not in acts:
            return lambda **arguments: self._recorded(name, arguments)
        act = acts[rule["act"]]
        return lambda **arguments: act(name, rule, arguments)

    def _find(self, name: str, rule: Mapping[str, Any], arguments: Mapping[str, JsonValue]) -> JsonValue:
        del name
        rows = [row for row in self.rows if _fits(row, rule["columns"], arguments)]
        return [dict(row) for row in rows[:MOST]]

    def _write(self, name: str, rule: Mapping[str, Any], arguments: Mapping[str, JsonValue]) -> JsonValue:
        row = next((row for row in self.rows if _fits(row, rule["columns"], arguments)), None)
        if row is None:
            return []
        made = {**row, **rule.get("defaults", {}), **arguments}
        self.made.append({"tool": name, **made})
        return [made]

    def _recorded(self, name: str, arguments: Mapping[str, JsonValue]) -> JsonValue:
        key = _key(name, arguments)
        if key in self._answers:
            return self._answers[key]
        return {"error": f"{name}: nothing was recorded for these arguments"}


def _key(name: str, arguments: Mapping[str, JsonValue]) -> str:
    return canonical([name, dict(arguments)])


def _fits(row: Mapping[str, JsonValue], columns: Sequence[str], arguments: Mapping[str, JsonValue]) -> bool:
    return all(same(row.get(name), arguments[name]) for name in columns if name in arguments)


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same to a person: case, blanks and a number's spelling do not matter."""
    return " ".join(str(one).casefold().split()) == " ".join(str(other).casefold().split())


class TracesBackend(Record):
    """Offers the tools that a task brings along."""

    name: str = TRACES

    @property
    def tools(self) -> Mapping[str, Tool]:
        """None of its own."""
        return MappingProxyType({})

    def open(self, initial: Mapping[str, JsonValue], *, long_context: bool) -> TracedWorld:
        """Make one play's own instance."""
        del long_context
        return TracedWorld(initial)

    def brings(self, initial: Mapping[str, Any]) -> Mapping[str, Tool]:
        """Read the tools that a task brings along."""
        return {tool["name"]: Tool.model_validate(tool) for tool in initial.get("tools", ())}


BACKENDS: Final = (TracesBackend(),)
