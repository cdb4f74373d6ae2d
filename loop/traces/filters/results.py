"""Results: does what came back answer what was asked?

Most tools repeat in their results what they were asked for: who searches in Oakland finds rows of Oakland. Where a
result's rows have a field of an argument's name and none of them its value, for as many arguments as agree, the call
that stands in the trace is not the one that was made. A tool that answered with an error is no fault: the next
message shows what was made of it.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.traces.filtering import Filter, TraceFault, said
from loop.types import Call, Trajectory
from task_generators.backends.traces_backend import same

__all__ = ["Results"]


class Results(Filter):
    """Judges results beside their calls."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find calls that were answered as another would have been."""
        messages = trajectory.messages
        for index, message in said(trajectory):
            for number, call in enumerate(message.calls, start=1):
                answer = messages[index + number] if index + number < len(messages) else None
                if answer is None or answer.role != "tool" or answer.fault or answer.ok is False:
                    continue
                if wrong := contradicted(call, rows_in(answer.content)):
                    arguments = ", ".join(f"{name}={call.arguments[name]!r}"[:80] for name in wrong)
                    yield TraceFault(index, "other result", f"{call.name}({arguments}) was answered with other values")


def rows_in(content: str) -> list[Mapping[str, JsonValue]]:
    """Read a result's rows: a list of objects, one object, or none."""
    if content[:1] not in ("{", "["):
        return []
    try:
        value = parse(content)
    except NotJson:
        return []
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, dict)]


def contradicted(call: Call, rows: Sequence[Mapping[str, JsonValue]]) -> list[str]:
    """Name the arguments that every row contradicts, where they are as many as those that a row agrees with."""
    shared = [name for name, value in call.arguments.items() if any(name in row for row in rows) and _plain(value)]
    wrong = [name for name in shared if not any(same(row.get(name), call.arguments[name]) for row in rows)]
    return wrong if wrong and 2 * len(wrong) >= len(shared) else []


def _plain(value: JsonValue) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
