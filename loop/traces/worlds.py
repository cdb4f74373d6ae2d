"""Build a world from what tools answered in traces, so that new tasks about the same things can be run.

Results tell of things: restaurants, flights, tickets. The fields that the results of all tools share are what a thing
has; each result row is one. A tool whose results have more fields than that, which repeat what it was called with (a
date, a number of seats), writes: it adds them to a thing. Any other finds. What cannot be told so is answered as it was
recorded, or not at all (`task_generators.backends.traces_backend`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.traces.filters.results import contradicted, rows_in
from loop.types import Call, Catalogue, Record, Tool, Trajectory
from task_generators.backends.traces_backend import same

MOST: Final = 20_000
"""Rows of a world."""
ECHOED: Final = 0.9
"""Share of the results in which a field repeats the argument of its name."""


class Use(Record):
    """How one tool is used."""

    act: str
    """`find`, `write` or `recorded`."""
    columns: tuple[str, ...] = ()
    """Arguments that choose rows by the field of their name."""
    written: tuple[str, ...] = ()
    """Arguments that are added to the row."""


class TraceWorld(Record):
    """What was read off traces."""

    catalogue: Catalogue
    rows: tuple[Mapping[str, JsonValue], ...]
    uses: Mapping[str, Use]
    key: str
    """The field that names a thing: the one with the most different values among those that tools are called with."""

    def initial(self, rows: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
        """Give the backend's initial state, with these rows."""
        rules: dict[str, JsonValue] = {
            name: {"act": use.act, "columns": [*use.columns]}
            for name, use in self.uses.items()
            if use.act != "recorded"
        }
        tools: list[JsonValue] = [tool.model_dump(mode="json") for tool in self.catalogue.tools]
        return {"tools": tools, "rows": [dict(row) for row in rows], "rules": rules, "answers": []}


def world_of(trajectories: Iterable[Trajectory], catalogue: Catalogue) -> TraceWorld | None:
    """Read a world off traces; None where their results tell of nothing.

    Args:
        trajectories: traces that no filter found fault with; in any order.
        catalogue: the tools of the world.
    """
    seen = _Seen()
    for trajectory in trajectories:
        for index, message in enumerate(trajectory.messages):
            for offset, call in enumerate(message.calls, start=1):
                after = trajectory.messages[index + offset : index + offset + 1]
                if after and after[0].role == "tool" and catalogue.find(call.name):
                    seen.add(call, rows_in(after[0].content))
    shared = seen.shared()
    if not shared:
        return None
    uses = {tool.name: seen.use(tool, shared) for tool in catalogue.tools}
    rows = seen.things(shared)
    columns = {name for use in uses.values() for name in use.columns}
    key = max(sorted(columns), key=lambda name: len({str(row.get(name)) for row in rows}), default="")
    return TraceWorld(catalogue=catalogue, rows=rows, uses=uses, key=key) if key else None


class _Seen:
    """Calls that were answered with rows."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._fields: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._given: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._echoed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._rows: list[Mapping[str, JsonValue]] = []

    def add(self, call: Call, rows: Sequence[Mapping[str, JsonValue]]) -> None:
        """Take one in; one that its rows contradict says nothing."""
        if not rows or contradicted(call, rows):
            return
        self._calls[call.name] += 1
        self._fields[call.name].update(list(rows[0]))
        for name, value in call.arguments.items():
            self._given[call.name][name] += 1
            self._echoed[call.name][name] += all(same(row.get(name), value) for row in rows)
        self._rows += rows[: MOST - len(self._rows)] if len(self._rows) < MOST else []

    def _fields_of(self, tool: str) -> set[str]:
        return {name for name, count in self._fields[tool].items() if 2 * count > self._calls[tool]}

    def shared(self) -> set[str]:
        """Name the fields that the results of all tools have."""
        several = [self._fields_of(tool) for tool in self._calls]
        return set.intersection(*several) if several else set()

    def use(self, tool: Tool, shared: set[str]) -> Use:
        """Say what a tool does."""
        known = tool.parameters.get("properties")
        if not self._calls[tool.name] or not isinstance(known, dict):
            return Use(act="recorded")
        given = {name: count for name, count in self._given[tool.name].items() if name in known}
        echoed = self._echoed[tool.name]
        repeats = {name for name, count in given.items() if echoed[name] >= ECHOED * count}
        columns = tuple(sorted(name for name in repeats if name in shared))
        more = self._fields_of(tool.name) - shared
        written = tuple(sorted(name for name in given if name in more))
        if written:
            return Use(act="write", columns=columns, written=written)
        return Use(act="find", columns=columns) if columns else Use(act="recorded")

    def things(self, shared: set[str]) -> tuple[Mapping[str, JsonValue], ...]:
        """Give every thing once, in order."""
        distinct = {canonical(thing): thing for row in self._rows if (thing := {n: row[n] for n in shared if n in row})}
        return tuple(distinct[name] for name in sorted(distinct))
