"""What a player can know at a point of a play, and from where."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Final, cast

from pydantic import JsonValue

from checkers.evidence.plans import plan_of
from checkers.evidence.statements import Statement, is_statement, names_in
from checkers.evidence.turns import AssistantStep
from checkers.evidence.words import WORD, SaidText, contains, is_composed, leaves
from loop.canonical import NotJson, parse
from loop.errors import LoopdError
from loop.types import Call, From, PlannedCall, Result, Task, Tool, Trajectory
from task_generators.backends.catalogues import catalogue

KNOWN_SHARE: Final = 0.5
"""How much of a composed text must have been said or seen."""

LONG_WORD: Final = 4
"""Characters from which on a word carries content."""

TELLING: Final = 3
"""Characters, or digits, from which on a value is not met by chance."""

MAX_NUMBERS: Final = 100
"""Numbers that are combined with each other."""

MAX_RECKONED: Final = 200
"""Numbers of a play that may be reckoned. Beyond them, one that was neither said nor seen comes from nowhere."""

CHANCE: Final = 0.05
"""How likely a number may be met by chance where it is looked for among the combinations of known ones."""

LEAST_KNOWN: Final = 6
"""Numbers that may be combined whatever the chance: a user says few, and they are there to be reckoned with."""

COMBINATIONS: Final = 4
"""Ways to combine two numbers."""

MAX_TEXTS: Final = 200
"""Texts in which a part is looked for."""

PLACES: Final = 4
"""Decimal places to which a reckoned number must agree."""

BY_LETTER: Final = re.compile(r"\b(?:with|letters?|in|by|contain\w*|initial)\s+[\"']?([a-z])\b", re.IGNORECASE)
"""Where a single letter is said as such."""

Origin = tuple[str, str]
"""A source, and what supplied the value or the rule by which it was read."""


class Origins:
    """Follows a play: it hears the user and sees the results as the player does."""

    def __init__(self, task: Task, trajectory: Trajectory) -> None:
        """Start where the player knows nothing but the tools."""
        self._task, self._trajectory = task, trajectory
        self._heard = SaidText(text="")
        self._seen = SeenResults()
        self._made = SeenResults()
        self._known: dict[tuple[str, str, str], Origin] = {}
        self._reckoned_so_far = 0
        self._sizes: set[int] = set()

    def hear(self, words: str) -> None:
        """Take in what the user says."""
        self._heard = SaidText(text=f"{self._heard.text}\n{words}")
        self._known.clear()

    def see(self, step: AssistantStep) -> None:
        """Take in what a step's calls answered, and what they took."""
        self._known.clear()
        for call, answer in zip(step.said.calls, step.answers, strict=False):
            self._sizes.update(_sizes(dict(call.arguments)))
            self._sizes.update(_sizes(read(answer.content)))
            self._seen.add(call.name, read(answer.content))
            if answer.ok is not False:
                self._made.add(call.name, dict(call.arguments))

    def of(self, call: Call, argument: str, value: JsonValue) -> list[tuple[JsonValue, Origin]]:
        """Name the source of one value of one argument of a call that is about to be made.

        Of an SQL statement, the source of each of its literals: what it says of tables and rows needs none.
        """
        name = re.split(r"[.\[]", argument, maxsplit=1)[0]
        if is_statement(self._tools.get(call.name), name, value):
            literals = Statement(sql=str(value)).literals(self._names)
            traced: list[tuple[JsonValue, Origin]] = [
                (literal.value, self._of_literal(call, name, literal.value)) for literal in literals
            ]
            return traced or [(value, ("schema", "no literal"))]
        key = call.name, name, f"{type(value).__name__} {value}"
        if key not in self._known:
            self._known[key] = self._of(call, name, value)
        return [(value, self._known[key])]

    def _of(self, call: Call, name: str, value: JsonValue) -> Origin:
        known = self._stated(value) or self._offered(call.name, name, value)
        known = known or self._derived(call, name, value) or self._composed(value) or self._reckoned(value)
        return known or self._counted(value) or self._unseen(call, name, value)

    def _of_literal(self, call: Call, name: str, value: str | float) -> Origin:
        """Name the source of a value that stands in a statement: of a pattern, of what it looks for."""
        bare = value.strip("%_*") if isinstance(value, str) else value
        if isinstance(bare, str) and len(bare) == 1 and bare.isalpha():
            letters = {letter.casefold() for letter in BY_LETTER.findall(self._heard.text)}
            origin: Origin | None = ("user", "letter") if bare.casefold() in letters else None
            origin = origin or (("result", tool) if (tool := self._seen.holds(bare, whole=True)) else None)
        else:
            origin = self._stated(bare) or self._composed(bare) or self._reckoned(bare)
        return origin or self._in_a_plan(call, value) or self._unseen(call, name, bare)

    def _in_a_plan(self, call: Call, value: str | float) -> Origin | None:
        """Look for a literal in the statements of the plan: in one of the author's, or put there from a result."""
        for planned, taken in self._planned:
            for argument, source in planned.arguments.items() if planned.name == call.name else ():
                literals = Statement(sql=str(taken.arguments.get(argument, ""))).literals(self._names)
                if value not in [literal.value for literal in literals]:
                    continue
                if not isinstance(source, From):
                    return "plan", "literal"
                own = Statement(sql=str(source.operand)).literals(self._names)
                if source.rule == "text" and value in [item.value for item in own]:
                    return "plan", "literal"
                supplier = self._task.plan[source.step].name
                seen = self._seen.shows(supplier, self._results[source.step].value)
                return ("rule", f"{source.rule} of {supplier}") if seen else ("blind", supplier)
        return None

    def _stated(self, value: JsonValue) -> Origin | None:
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
            seen = self._seen.shows(supplier, self._results[source.step].value)
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
        if isinstance(value, bool) or not isinstance(value, int | float) or not _telling(value):
            return None
        self._reckoned_so_far += 1
        number, known = _real(value), self._numbers_for(value)
        if number is None or self._reckoned_so_far > MAX_RECKONED:
            return None
        near = {round(number, PLACES) for number in known}
        for one in known:
            others = (number - one, one - number, number + one, *_shares(number, one))
            if any(round(other, PLACES) in near for other in others):
                return "rule", "arithmetic"
        return None

    def _counted(self, value: JsonValue) -> Origin | None:
        """Look whether a number counts the items of a list that was seen or given."""
        return ("rule", "count") if isinstance(value, int | float) and value in self._sizes else None

    def _numbers_for(self, value: float) -> list[float]:
        """Give the numbers that a value may be reckoned from: so few that it is met by no chance."""
        digits = len(re.sub(r"\D|^[-0.]+|0+$", "", str(value)))
        most = min(MAX_NUMBERS, math.isqrt(int(CHANCE * 10 ** min(digits, 12) / COMBINATIONS)))
        both = self._heard.numbers | self._seen.numbers
        known = both if len(both) <= most else self._heard.numbers
        return sorted(known) if len(known) <= max(most, LEAST_KNOWN) else []

    def _unseen(self, call: Call, argument: str, value: JsonValue) -> Origin:
        """Name what a value is that nothing supplies: knowledge of a world not looked at, the plan's, or invention."""
        if _telling(value) and (str(value) in self._initial or self._answers.holds(value, whole=True)):
            return "blind", "the world"
        for planned, _ in self._planned:
            if planned.name == call.name and _within(value, _literal(planned.arguments.get(argument))):
                return "plan", "literal"
        if isinstance(value, int) and "default" in self._schemas.get(call.name, {}).get(argument, {}):
            return "schema", "optional"
        return "nowhere", ""

    # --- what the task holds, read when it is first needed ----------------------------------------------------------

    @cached_property
    def _tools(self) -> Mapping[str, Tool]:
        names = {*self._task.tools, *(name for turn in self._task.turns for name in turn.adds)}
        try:
            tools = catalogue(sorted(names), self._task.backends, self._task.initial).tools
        except LoopdError:  # a task whose tools nobody has: its plan cannot be run either
            return {}
        return {tool.name: tool for tool in tools}

    @cached_property
    def _schemas(self) -> Mapping[str, Mapping[str, Any]]:
        return {name: cast("dict[str, Any]", tool.parameters["properties"]) for name, tool in self._tools.items()}

    @cached_property
    def _names(self) -> frozenset[str]:
        """Every name in the schemas of the task's databases."""
        states = [state for state in self._task.initial.values() if isinstance(state, dict)]
        return names_in([str(state.get("schema", "")) for state in states])

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
    def _answers(self) -> "SeenResults":
        """What the tools answer in this play, from the first to the last, without what the calls told them."""
        answers = SeenResults()
        messages = iter(self._trajectory.messages)
        calls = [call for message in messages for call in message.calls]
        tools = [message for message in self._trajectory.messages if message.role == "tool"]
        for call, answer in zip(calls, tools, strict=False):
            texts = {str(value) for _, value in leaves(dict(call.arguments))}
            answers.add(call.name, [value for _, value in leaves(read(answer.content)) if str(value) not in texts])
        return answers


class SeenResults:
    """Results that were seen."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._by_word: dict[str, list[str]] = {}
        self._whole: dict[str, list[JsonValue]] = {}
        self.words: set[str] = set()
        self.numbers: set[float] = set()

    def add(self, tool: str, value: JsonValue) -> None:
        """Take a result in."""
        self._whole.setdefault(tool, []).append(value)
        for name in _names(value):
            folded = name.casefold()
            self._values.setdefault(_spelt(folded), tool)
            if folded not in self._texts:
                self._texts[folded] = tool
                self._index(folded)
                self.numbers.update(SaidText(text=name).numbers)

    def _index(self, folded: str) -> None:
        words = set(WORD.findall(folded))
        self.words |= words
        for word in words:
            self._by_word.setdefault(word, []).append(folded)

    def holds(self, value: JsonValue, *, whole: bool = False) -> str | None:
        """Name the tool whose answer holds a value, as it is or (unless `whole`) within a text."""
        folded = str(value).casefold().strip()
        if tool := self._values.get(_spelt(folded)):
            return tool
        if whole or not folded or isinstance(value, int | float):
            return None
        return next((self._texts[text] for text in self._with(folded) if contains(text, folded)), None)

    def _with(self, folded: str) -> Iterable[str]:
        """Give the texts that may hold a part: those with its rarest word."""
        words = WORD.findall(folded)
        if not words:
            return islice(self._texts, MAX_TEXTS)
        return min((self._by_word.get(word, []) for word in words), key=len)[:MAX_TEXTS]

    def shows(self, tool: str, value: JsonValue) -> bool:
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


def _sizes(value: JsonValue) -> Iterator[int]:
    """Count the items of every list in a value, of two and more."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, list) and len(value) > 1:
        yield len(value)
    for item in inner:
        yield from _sizes(item)


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


def _real(value: float) -> float | None:
    """Give a number as one that can be reckoned with; None for one that is too large."""
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _shares(number: float, one: float) -> tuple[float, ...]:
    """Give the product and the quotients of two numbers."""
    if not one or not number:
        return ()
    results = (number / one, number * one, one / number if abs(number) > TINY else math.inf)
    return tuple(result for result in results if math.isfinite(result))


TINY: Final = 1e-300
