"""A play as a person reads it: turn by turn, and of every argument where its value came from.

The origins are those that the data-flow checker found and kept as evidence; a play that it has not judged has none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from checkers.evidence.words import leaves
from loop.store.trajectories import Shown
from loop.types import Call, Message, Record

TRACER: Final = "dataflow"
WORST: Final = ("nowhere", "blind", "carried", "rule", "result", "user", "plan", "schema")
"""Sources of a value; an argument of several is coloured by the first of these."""
MEANINGS: Final[Mapping[str, str]] = {
    "user": "the user said it",
    "result": "a result that had been seen supplies it",
    "rule": "derived by a stated rule from what was said or seen",
    "carried": "an earlier call of the player's own had it",
    "plan": "the task's plan has it as a literal",
    "schema": "the tool's own schema supplies it",
    "blind": "a result supplies it that had not been seen",
    "nowhere": "nothing supplies it",
}


class ShownOrigin(Record):
    """Where one value came from."""

    value: str
    source: str
    by: str
    """What supplied it, or the rule by which it was read."""


class Argument(Record):
    """One argument of a call."""

    name: str
    text: str
    """Its value as JSON."""
    origins: tuple[ShownOrigin, ...] = ()

    @property
    def source(self) -> str | None:
        """The source that says most: where one of its values has none, that."""
        sources = {origin.source for origin in self.origins}
        return next((source for source in WORST if source in sources), None)

    @property
    def told(self) -> str:
        """What is known of it, in words."""
        return "; ".join(f"{origin.value}: {_described(origin)}" for origin in self.origins)


class ShownCall(Record):
    """One call, with its arguments."""

    tool: str
    arguments: tuple[Argument, ...]


class ShownMessage(Record):
    """One message."""

    place: int
    """In the play, from 0: `#m3` links to the fourth."""
    turn: int
    """From 1; 0 before the first user message."""
    begins: bool
    """Whether a turn begins with it."""
    message: Message
    calls: tuple[ShownCall, ...] = ()


Traces = Mapping[tuple[int, int, str, str], Sequence[ShownOrigin]]
"""Origins by turn, step, tool and the argument's path."""


def spoken(shown: Shown) -> Iterator[ShownMessage]:
    """Give the messages of a play in order."""
    traces, turn, step = _traces(shown), 0, 0
    for index, message in enumerate(shown.trajectory.messages):
        begins = message.role == "user"
        turn, step = (turn + 1, 0) if begins else (turn, step + (message.role == "assistant"))
        calls = _made(message.calls, traces, (turn, step))
        yield ShownMessage(place=index, turn=turn, begins=begins, message=message, calls=calls)


def made(message: Message) -> tuple[ShownCall, ...]:
    """Give a message's calls where nobody traced their values."""
    return _made(message.calls, {}, (0, 0))


def _made(calls: Sequence[Call], traces: Traces, where: tuple[int, int]) -> tuple[ShownCall, ...]:
    names = [call.name for call in calls]
    return tuple(
        ShownCall(
            tool=call.name,
            arguments=tuple(
                Argument(
                    name=name,
                    text=json.dumps(value, ensure_ascii=False),
                    origins=tuple(_of(traces, (*where, call.name), {name: value}, alone=names.count(call.name) == 1)),
                )
                for name, value in call.arguments.items()
            ),
        )
        for call in calls
    )


def _of(
    traces: Traces, where: tuple[int, int, str], argument: dict[str, JsonValue], *, alone: bool
) -> Iterator[ShownOrigin]:
    """Find an argument's origins; where a message calls the tool twice, the value tells which call is meant."""
    for path, value in leaves(argument):
        for origin in traces.get((*where, path), ()):
            if alone or origin.value in _word(value):
                yield origin


def _traces(shown: Shown) -> Traces:
    judged = [verdict for verdict in shown.verdicts if verdict.checker == TRACER]
    listed = max(judged, key=lambda verdict: verdict.version).evidence.get("arguments") if judged else None
    origins: dict[tuple[int, int, str, str], list[ShownOrigin]] = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict):
            key = (
                _count(item.get("turn")),
                _count(item.get("step")),
                _word(item.get("tool")),
                _word(item.get("argument")),
            )
            origin = ShownOrigin(
                value=_word(item.get("value")), source=_word(item.get("source")), by=_word(item.get("by"))
            )
            origins.setdefault(key, []).append(origin)
    return origins


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _word(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _described(origin: ShownOrigin) -> str:
    meaning = MEANINGS.get(origin.source, origin.source)
    return f"{meaning} ({origin.by})" if origin.by else meaning
