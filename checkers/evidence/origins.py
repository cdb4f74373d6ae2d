"""What a player can know at a point of a play, and from where."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final, cast

from pydantic import JsonValue

from checkers.evidence.plans import plan_of
from checkers.evidence.turns import Step
from checkers.evidence.words import WORD, Said, contains, is_composed, leaves
from loop.canonical import NotJson, parse
from loop.types import Call, From, PlannedCall, Result, Task, Trajectory
from task_generators.backends.catalogues import catalogue

KNOWN_SHARE: Final = 0.5
"""How much of a composed text must have been said or seen."""

LONG_WORD: Final = 4
"""Characters from which on a word carries content."""

TELLING: Final = 3
"""Characters, or digits, from which on a value is not met by chance."""

MAX_NUMBERS: Final = 300
"""Numbers that are combined with each other."""

PLACES: Final = 4
"""Decimal places to which a reckoned number must agree."""

Origin = tuple[str, str]
"""A source, and what supplied the value or the rule by which it was read."""


class Origins:
    """Follows a play: it hears the user and sees the results as the player does."""

    def __init__(self, task: Task, trajectory: Trajectory) -> None:
        """Start where the player knows nothing but the tools."""
        self._task, self._trajectory = task, trajectory
        self._heard = Said(text="")
        self._seen = Seen()
        self._made = Seen()

    def hear(self, words: str) -> None:
        """Take in what the user says."""
        self._heard = Said(text=f"{self._heard.text}\n{words}")

    def see(self, step: Step) -> None:
        """Take in what a step's calls answered, and what they took."""
        for call, answer in zip(step.said.calls, step.answers, strict=False):
            self._seen.add(call.name, read(answer.content))
            if answer.ok is not False:
                self._made.add(call.name, dict(call.arguments))

    def of(self, call: Call, argument: str, value: JsonValue) -> Origin:
        """Name the source of one value of one argument of a call that is about to be made."""
        name = re.split(r"[.\[]", argument, maxsplit=1)[0]
        known = self._told(value) or self._offered(call.name, name, value)
        known = known or self._derived(call, name, value) or self._composed(value) or self._reckoned(value)
        return known or self._unseen(call, name, value)

    def _told(self, value: JsonValue) -> Origin | None:
        """Look for it in what was said and seen."""
        if isinstance(value, bool) or value is None:
            return "schema", "boolean" if isinstance(value, bool) else "null"
        if reading := self._heard.says(value):
            return "user", reading
        if tool := self._seen.holds(value):
            return "result", tool
        if tool := self._made.holds(value):
            return "carried", tool
        return None

    def _offered(self, tool: str, argument: str, value: JsonValue) -> Origin | None:
        """Look for it in the tool's own schema."""
        if isinstance(value, str) and not WORD.search(value):
            return "schema", "no content"
        schema = self._schemas.get(tool, {}).get(argument, {})
        if value == schema.get("default") or value in schema.get("enum", ()):
            return "schema", "default" if value == schema.get("default") else "enum"
        described = str(schema.get("description", "")).casefold()
        return ("schema", "description") if contains(described, str(value).casefold()) else None

    def _derived(self, call: Call, argument: str, value: JsonValue) -> Origin | None:
        """Look for it among the plan's own derivations, from results that the player has seen."""
        for planned, taken in self._planned:
            source = planned.arguments.get(argument)
            if (
                planned.name != call.name
                or not isinstance(source, From)
                or not _within(value, taken.arguments.get(argument))
            ):
                continue
            supplier = self._task.plan[source.step].name
            seen = self._seen.told(supplier, self._results[source.step].value)
            return ("rule", f"{source.rule} of {supplier}") if seen else ("blind", supplier)
        return None

    def _composed(self, value: JsonValue) -> Origin | None:
        """Look whether a text of several words is put together from what was said and seen."""
        if not is_composed(value):
            return None
        words = [word for word in WORD.findall(str(value).casefold()) if len(word) >= LONG_WORD or word.isdecimal()]
        known = [word for word in words if word in self._heard.words or word in self._seen.words]
        invented = [word for word in words if word.isdecimal() and word not in known]
        if invented or len(known) < KNOWN_SHARE * len(words):
            return None
        return "rule", "composed"

    def _reckoned(self, value: JsonValue) -> Origin | None:
        """Look whether a number is a sum, difference, product or quotient of two that were said or seen."""
        if not isinstance(value, int | float) or not _telling(value):
            return None
        known = sorted(self._heard.numbers | self._seen.numbers)[:MAX_NUMBERS]
        near = {round(number, PLACES) for number in known}
        for one in known:
            others = (value - one, one - value, value + one, *((value / one, value * one, one / value) if one else ()))
            if any(round(other, PLACES) in near for other in others):
                return "rule", "arithmetic"
        return None

    def _unseen(self, call: Call, argument: str, value: JsonValue) -> Origin:
        """Name what a value is that nothing supplies: knowledge of a world not looked at, the plan's, or invention."""
        if _telling(value) and (str(value) in self._initial or self._answers.holds(value, whole=True)):
            return "blind", "the world"
        for planned, _ in self._planned:
            if planned.name == call.name and _within(value, _literal(planned.arguments.get(argument))):
                return "plan", "literal"
        return "nowhere", ""

    # --- what the task holds, read when it is first needed ----------------------------------------------------------

    @cached_property
    def _schemas(self) -> Mapping[str, Mapping[str, Any]]:
        names = {*self._task.tools, *(name for turn in self._task.turns for name in turn.adds)}
        tools = catalogue(sorted(names), self._task.backends, self._task.initial).tools
        return {tool.name: cast("dict[str, Any]", tool.parameters["properties"]) for tool in tools}

    @cached_property
    def _planned(self) -> list[tuple[PlannedCall, Call]]:
        return list(zip(self._task.plan, plan_of(self._task).calls, strict=False))

    @cached_property
    def _results(self) -> list[Result]:
        return plan_of(self._task).results

    @cached_property
    def _initial(self) -> frozenset[str]:
        """Every name and value of the initial state."""
        return frozenset(_names(dict(self._task.initial)))

    @cached_property
    def _answers(self) -> "Seen":
        """What the tools answer in this play, from the first to the last, without what the calls told them."""
        answers = Seen()
        messages = iter(self._trajectory.messages)
        calls = [call for message in messages for call in message.calls]
        tools = [message for message in self._trajectory.messages if message.role == "tool"]
        for call, answer in zip(calls, tools, strict=False):
            told = {str(value) for _, value in leaves(dict(call.arguments))}
            answers.add(call.name, [value for _, value in leaves(read(answer.content)) if str(value) not in told])
        return answers


class Seen:
    """Results that were seen."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._whole: dict[str, list[JsonValue]] = {}
        self.words: set[str] = set()
        self.numbers: set[float] = set()

    def add(self, tool: str, value: JsonValue) -> None:
        """Take a result in."""
        self._whole.setdefault(tool, []).append(value)
        for name in _names(value):
            folded = name.casefold()
            self._values.setdefault(_spelt(folded), tool)
            self._texts.setdefault(folded, tool)
            self.words.update(WORD.findall(folded))
            self.numbers.update(Said(text=name).numbers)

    def holds(self, value: JsonValue, *, whole: bool = False) -> str | None:
        """Name the tool whose answer holds a value, as it is or (unless `whole`) within a text."""
        folded = str(value).casefold().strip()
        if tool := self._values.get(_spelt(folded)):
            return tool
        if whole or not folded or isinstance(value, int | float):
            return None
        return next((tool for text, tool in self._texts.items() if contains(text, folded)), None)

    def told(self, tool: str, value: JsonValue) -> bool:
        """Whether a tool was seen to answer exactly this."""
        return value in self._whole.get(tool, ())


def read(content: str) -> JsonValue:
    """Read a tool message: JSON where it is, else the text."""
    try:
        return parse(content)
    except NotJson:
        return content


def _names(value: JsonValue) -> Iterator[str]:
    """Walk every key and every scalar of a value, as text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
    elif not isinstance(value, bool) and value is not None:
        yield str(value)


def _telling(value: JsonValue) -> bool:
    """Whether a value is long enough not to be met by chance."""
    return len(str(value).strip("-.0")) >= TELLING


def _spelt(text: str) -> str:
    """Spell 100.0 as 100."""
    return text.removesuffix(".0")


def _within(value: JsonValue, whole: JsonValue) -> bool:
    """Whether a value is a scalar of another."""
    return any(value == inner for _, inner in leaves(whole))


def _literal(argument: Any) -> JsonValue:  # noqa: ANN401 - a plan's argument
    return [] if isinstance(argument, From) else argument
