"""Origins: could the assistant know every value that it called with?

The data-flow checker traces each argument to the user's words, a result that was seen before, a rule over these or the
tool's schema, exactly as it does for a play. Dates and times that
stand for "tomorrow" or "half past five" cannot be traced without knowing the day, and are let pass; so is every value
whose parameter lists its choices.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import Field, JsonValue

from checkers.dataflow import Dataflow
from loop.traces.filtering import WHOLE, Filter, TraceFault
from loop.types import Message, Task, Tier, Trajectory, Turn
from task_generators.backends.traces_backend import TRACES

__all__ = ["ArgumentOrigins", "task_of_trace"]

TIMED: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?", re.IGNORECASE
)
UNTOLD: Final = frozenset({"blind", "nowhere"})
WORD: Final = re.compile(r"\w+")
LONG: Final = 4
"""Characters from which on a word carries content."""
SHORT: Final = 2
"""Characters up to which a value says too little to be traced: "2" may have been "a couple"."""


class ArgumentOrigins(Filter):
    """Judges where arguments came from."""

    dates: bool = False
    """Whether dates and times must be traced too."""
    most: float = Field(default=0.5, ge=0, le=1)
    """Share of a call's values that may be untold: people say SF and call with San Francisco. 0 lets none pass."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find calls with a value that nobody told."""
        traced = Dataflow().check(task_of_trace(trajectory), trajectory).evidence.get("arguments", [])
        steps, heard = _steps(trajectory), _Heard(trajectory.messages)
        counted: defaultdict[int, list[dict[str, JsonValue]]] = defaultdict(list)
        for each in traced if isinstance(traced, list) else ():
            if isinstance(each, dict) and self._counts(each.get("value")):
                counted[steps.get((each.get("turn"), each.get("step")), WHOLE)].append(each)
        for place, values in counted.items():
            strange = [
                value for value in values if value["source"] in UNTOLD and not heard.partly(place, value["value"])
            ]
            if len(strange) > self.most * len(values):
                each = strange[0]
                shown = f"{each['tool']}({each['argument']}={str(each['value'])[:60]!r})"
                yield TraceFault(place, str(each["source"]), f"{shown} stands nowhere before")

    def _counts(self, value: JsonValue) -> bool:
        text = str(value).strip()
        return len(text) > SHORT and (self.dates or not TIMED.fullmatch(text))


class _Heard:
    """The words that stood before a message."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._first: dict[str, int] = {}
        for index, message in enumerate(messages):
            for word in WORD.findall(message.content.casefold()):
                self._first.setdefault(word, index)

    def partly(self, index: int, value: JsonValue) -> bool:
        """Whether a word of a text was said before: people shorten names, and write them otherwise."""
        words = [word for word in WORD.findall(str(value).casefold()) if len(word) >= LONG]
        return any(self._first.get(word, index) < index for word in words)


def _steps(trajectory: Trajectory) -> dict[tuple[JsonValue, JsonValue], int]:
    """Say where each turn's steps stand, both counted from 1."""
    turn, step, places = 0, 0, dict[tuple[JsonValue, JsonValue], int]()
    for index, message in enumerate(trajectory.messages):
        if message.role == "user":
            turn, step = turn + 1, 0
        elif message.role == "assistant":
            step += 1
            places[turn, step] = index
    return places


def task_of_trace(trajectory: Trajectory) -> Task:
    """Give a trace the task that the data-flow checker asks for: what the user says, and the tools."""
    users = [message.content for message in trajectory.messages if message.role == "user"]
    tools: list[JsonValue] = [tool.model_dump(mode="json") for tool in trajectory.catalogue.tools]
    return Task(
        generator="traces",
        family="traces",
        tier=Tier.EASY,
        seed=0,
        backends=(TRACES,),
        initial={TRACES: {"tools": tools}},
        tools=tuple(tool.name for tool in trajectory.catalogue.tools),
        turns=tuple(Turn(user=user) for user in users or [""]),
        leak_group="trace",
    )
