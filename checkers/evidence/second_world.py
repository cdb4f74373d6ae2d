"""A second world for a play that was won: does it hold there, or was it luck?

The task's plan is kept, and what nobody said is drawn anew: prices, ids, balances, texts, names of files, the rows of
databases, the numbers of calculations. Prices keep their order, so that the cheaper one stays the cheaper one, but none
is equal to another by chance. The play's calls are made there again, each value taken
from where it came from: what the user said stays, what a result told is what the result tells now. A play that only
came right because of the first world ends otherwise than the plan does in the second.
"""

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from random import Random
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from checkers.evidence.databases import SQL, Drawing, columns_of, statement_of
from checkers.evidence.ends import Ends
from checkers.evidence.origins import read
from checkers.evidence.plans import PlanRun, plan_of
from checkers.evidence.statements import Statement, names_in
from checkers.evidence.turns import turns_of
from checkers.evidence.words import WORD, SaidText, leaves
from loop.canonical import canonical
from loop.types import Call, From, Message, PlannedCall, Task, Trajectory
from task_generators.backends.backend import backend
from task_generators.backends.worlds import open_world

FILES: Final = "GorillaFileSystem"
MATHS: Final = "MathAPI"
"""A backend without a state: its second world has other numbers to reckon with."""

DRAWS: Final = 5
GROWTH: Final = 1.07
"""By how much numbers with decimals grow."""

JITTER: Final = 0.004
"""Share by which two numbers that are equal now may differ then."""

STEP: Final = 13
"""By how much ids and other large whole numbers grow."""

LARGE: Final = 100
MAX_DIGITS: Final = 18
MOST: Final = 1e6
NEUTRAL: Final = frozenset({0, 1, 100})
"""Numbers of a calculation that mean themselves."""

MANNER: Final = frozenset({"precision", "decimal_places", "exponent", "unit_in", "unit_out"})
"""Parameters that say how to reckon, not with what."""

TOKEN: Final = re.compile(r"(?<![\w.-])(?:[A-Za-z]{2,}\d{3,}|\d+(?:\.\d+)?)(?![\w-]|\.\d)")
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


class SecondWorldResult(NamedTuple):
    """What a second world showed."""

    passed: bool | None
    """None where no second world can be drawn."""
    reason: str


def try_again(task: Task, trajectory: Trajectory, seed: int) -> SecondWorldResult:
    """Make a play's calls in a second world of its task. The same seed draws the same world."""
    first = plan_of(task)
    if first.fault:
        return SecondWorldResult(None, f"the task's plan cannot be run: {first.fault}")
    for draw in range(DRAWS):
        renamed = Renamed.of(task, Random(f"{task.id}/{seed}/{draw}"))
        second = plan_of(renamed.task)
        if _is_alike(first, second):
            wrong = Ends().first_fault(
                renamed.task, turns_of(Follower(task, first, second, renamed).follow(trajectory))
            )
            return SecondWorldResult(
                wrong is None, f"turn {wrong[0] + 1}: {wrong[1].detail}" if wrong else "it holds there, too"
            )
    return SecondWorldResult(None, f"none of {DRAWS} worlds that were drawn lets the plan run as it does in the first")


def _is_alike(first: PlanRun, second: PlanRun) -> bool:
    """Whether a plan fares alike in two worlds: the same calls go well, and what it names is what it named."""
    if second.fault or [result.ok for result in first.results] != [result.ok for result in second.results]:
        return False
    said = " ".join(turn.user for turn in first.task.turns).casefold()
    pairs = zip(first.calls, second.calls, strict=True)
    values = (pair for one, two in pairs for pair in zip(_texts(one), _texts(two), strict=False))
    return all(one == two for one, two in values if one.casefold() in said) and not _loses_a_literal(first, second)


def _loses_a_literal(first: PlanRun, second: PlanRun) -> bool:
    """Whether the plan writes down what an earlier answer told, and that answer tells something else now."""
    for index, call in enumerate(first.calls):
        written = {word for text in _texts(call) if text in _texts(second.calls[index]) for word in WORD.findall(text)}
        for one, two in zip(first.results[:index], second.results, strict=False):
            if written & (_words_of(one.value) - _words_of(two.value)):
                return True
    return False


def _words_of(value: JsonValue) -> set[str]:
    return {word for _, leaf in leaves(value) for word in WORD.findall(str(leaf))}


def _texts(call: Call) -> list[str]:
    return [value for _, value in leaves(dict(call.arguments)) if isinstance(value, str)]


# --- drawing ---------------------------------------------------------------------------------------------------------


class Renamed(NamedTuple):
    """A task in its second world, and what stands there for what, by canonical spelling."""

    task: Task
    values: Mapping[str, JsonValue]
    reckoned: Mapping[str, JsonValue]
    """Numbers of calculations."""

    @classmethod
    def of(cls, task: Task, rng: Random) -> "Renamed":
        """Draw a second world."""
        drawing = _Drawing(task, rng)
        return cls(drawing.task(), drawing.values, drawing.reckoned)


class _Drawing:
    """Draws what nobody said anew, and remembers what stands for what."""

    def __init__(self, task: Task, rng: Random) -> None:
        self._task, self._rng = task, rng
        self._said = SaidText(text="\n".join(turn.user for turn in task.turns))
        literals = [value for call in task.plan for value in call.arguments.values() if not isinstance(value, From)]
        answers = [value for turn in task.turns for value in turn.answer if not isinstance(value, From)]
        self._kept = {str(leaf).casefold() for _, leaf in leaves([*literals, *answers])}
        self.values: dict[str, JsonValue] = {}
        self.reckoned: dict[str, JsonValue] = {}

    def task(self) -> Task:
        """Give the task with another initial state, and calculations with other numbers."""
        initial = {name: self._state(name, state) for name, state in self._task.initial.items()}
        turns = (turn.model_copy(update={"plan": tuple(map(self._call, turn.plan))}) for turn in self._task.turns)
        return self._task.model_copy(update={"initial": initial, "turns": tuple(turns)})

    def _state(self, name: str, state: JsonValue) -> JsonValue:
        if name == FILES:
            self._rename_files(state)
        if name != SQL or not isinstance(state, dict):
            return self._anew(state)
        columns = columns_of(state)
        numbers = {str(number).removesuffix(".0") for number in self._said.numbers}
        kept = self._said.words | numbers | self._kept | {word for text in self._kept for word in WORD.findall(text)}
        return Drawing(columns, frozenset(kept), ()).anew(state, self._rng) if columns else state

    def _rename_files(self, tree: JsonValue) -> None:
        """Give files and folders that nobody names other names."""
        for name, inner in tree.items() if isinstance(tree, dict) else ():
            if isinstance(inner, dict) and "type" in inner and not self._is_named(name):
                stem, dot, ending = name.partition(".")
                self.values[key_of(name)] = f"{stem}{self._rng.choice('bcdfgq')}{dot}{ending}"
            self._rename_files(inner)

    def _anew(self, value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {str(self._scalar(key)): self._content(key, inner) for key, inner in value.items()}
        return [self._anew(inner) for inner in value] if isinstance(value, list) else self._scalar(value)

    def _content(self, key: str, value: JsonValue) -> JsonValue:
        """Draw a value anew; what is free text has other words at its end."""
        drawn = self._anew(value)
        free = isinstance(value, str) and (key == "content" or " " in value) and not self._is_named(value)
        return f"{drawn} {self._rng.randint(11, 99)}" if free and key_of(value) not in self.values else drawn

    def _scalar(self, value: Any) -> Any:  # noqa: ANN401 - a JSON scalar
        if key_of(value) in self.values:
            return self.values[key_of(value)]
        if isinstance(value, bool) or value is None or self._is_named(value):
            return value
        if isinstance(value, str):
            return value if DAY.search(value) else TOKEN.sub(lambda found: self._token(found[0]), value)
        return self._number(value)

    def _is_named(self, value: str | float) -> bool:
        text = str(value).casefold()
        return text in self._kept or text.removesuffix(".0") in self._kept or self._said.says(value) is not None

    def _token(self, token: str) -> str:
        letters = token.rstrip("0123456789.")
        digits = token[len(letters) :]
        if self._is_named(token) or digits.startswith("0") or len(digits) > MAX_DIGITS:
            return token
        number = self._number(float(digits) if "." in digits else int(digits))
        renamed = f"{letters}{number}"
        if renamed != token:
            self.values[key_of(token)] = renamed
        return renamed

    def _number(self, value: int | float) -> int | float:  # noqa: PYI041 - they are renamed differently
        if self._is_named(value) or (isinstance(value, int) and abs(value) < LARGE):
            return value
        if isinstance(value, float):
            return round(value * (GROWTH + self._rng.uniform(0, JITTER)), 2)
        self.values[key_of(value)] = value + STEP
        return value + STEP

    def _call(self, call: PlannedCall) -> PlannedCall:
        """Give a calculation of the plan other numbers, the same ones for the same."""
        if call.name not in calculations():
            return call
        arguments = {name: value if name in MANNER else self._operand(value) for name, value in call.arguments.items()}
        return PlannedCall(name=call.name, arguments=arguments)

    def _operand(self, value: Any) -> Any:  # noqa: ANN401 - a plan's argument
        if isinstance(value, list):
            return [self._operand(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float) or value in NEUTRAL:
            return value
        most = 2 * min(abs(value), MOST) + 9
        drawn = self._rng.randint(2, int(most)) if isinstance(value, int) else round(self._rng.uniform(2, most), 2)
        return self.reckoned.setdefault(key_of(value), math.copysign(1, value) * drawn)


def key_of(value: Any) -> str:  # noqa: ANN401 - a JSON scalar
    """Spell a value so that 15 and 15.0 are the same."""
    return canonical(int(value) if isinstance(value, float) and value.is_integer() else value)


@cache
def calculations() -> frozenset[str]:
    """Name the tools that reckon."""
    return frozenset(backend(MATHS).tools)


# --- playing again ---------------------------------------------------------------------------------------------------


class Follower:
    """Makes a play's calls in a second world, each value from where it came from."""

    def __init__(self, task: Task, first: PlanRun, second: PlanRun, renamed: Renamed) -> None:
        """Begin where the task begins."""
        self._said = SaidText(text="\n".join(turn.user for turn in task.turns))
        self._renamed = renamed
        self._names = names_in(
            [str(state.get("schema", "")) for state in task.initial.values() if isinstance(state, dict)]
        )
        self._planned = [*zip(first.calls, second.calls, strict=True)]
        self._told: dict[str, list[JsonValue]] = {}
        self._world = open_world(renamed.task.backends, renamed.task.initial)

    def follow(self, trajectory: Trajectory) -> Trajectory:
        """Give the play as it goes in the second world."""
        messages: list[Message] = []
        for turn in turns_of(trajectory):
            messages.append(turn.user)
            for step in turn.steps:
                calls = tuple(map(self._call, step.said.calls))
                messages.append(step.said.model_copy(update={"calls": calls}))
                messages += [self._answer(call, then) for call, then in zip(calls, step.answers, strict=False)]
        return trajectory.model_copy(update={"task": self._renamed.task.id, "messages": tuple(messages)})

    def _answer(self, call: Call, then: Message) -> Message:
        """Make a call, and remember what stands for what in its answer."""
        result = self._world.call(call)
        before, now = dict(leaves(read(then.content))), dict(leaves(result.value))
        for path, value in before.items():
            if path in now and now[path] not in self._told.setdefault(key_of(value), []):
                self._told[key_of(value)].append(now[path])
        text = result.value if isinstance(result.value, str) else canonical(result.value)
        return then.model_copy(update={"content": text, "ok": result.ok})

    def _call(self, call: Call) -> Call:
        return Call(
            name=call.name, arguments={name: self._value(call, name, value) for name, value in call.arguments.items()}
        )

    def _value(self, call: Call, name: str, value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {key: self._value(call, name, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(call, name, inner) for inner in value]
        if isinstance(value, str) and Statement(sql=value).words[:1] and self._is_sql(call):
            return self._statement(value)
        return self._scalar(call, name, value)

    @staticmethod
    def _is_sql(call: Call) -> bool:
        return Statement(sql=statement_of(call)).looks or Statement(sql=statement_of(call)).writes

    def _scalar(self, call: Call, name: str, value: JsonValue) -> JsonValue:
        """Give what stands for a value now: the plan's own, where the plan takes one of these in its place."""
        standing = [*self._standing(call, name, value)]
        planned = [two.arguments.get(name) for one, two in self._planned if _takes(one, call.name, name, value)]
        anywhere = [
            argument for _, two in self._planned if two.name == call.name for argument in two.arguments.values()
        ]
        for item in [*planned, *(item for item in standing if item in anywhere)]:
            if item in standing or not standing:
                return item
        return standing[0] if standing else self._text(value) if isinstance(value, str) else value

    def _standing(self, call: Call, name: str, value: JsonValue) -> Iterator[JsonValue]:
        """Give all that may stand for a value now, the likeliest first."""
        key = key_of(value)
        if call.name in calculations() and name not in MANNER and key in self._renamed.reckoned:
            yield self._renamed.reckoned[key]
        if key in self._renamed.values:
            yield self._renamed.values[key]
        elif value is None or isinstance(value, bool) or self._said.says(value):
            yield value
        yield from reversed(self._told.get(key, []))

    def _text(self, text: str) -> str:
        return TOKEN.sub(lambda found: self._token(found[0]), text)

    def _token(self, token: str) -> str:
        number = key_of(float(token) if "." in token else int(token[:MAX_DIGITS])) if token[0].isdecimal() else ""
        renamed = self._renamed.values.get(key_of(token), self._renamed.values.get(number))
        values = self._told.get(key_of(token)) or self._told.get(number)
        return str(renamed) if renamed is not None else str(values[-1]) if values else token

    def _statement(self, sql: str) -> str:
        """Give a statement other literals: those that a result told are what it tells now."""
        for literal in Statement(sql=sql).literals(self._names):
            values = self._told.get(key_of(literal.value), [])
            if values and not self._said.says(literal.value):
                here = [value for value in [*reversed(values), literal.value] if key_of(value) in self._written]
                sql = _replaced(sql, str(literal.value), str([*here, values[-1]][0]).replace("'", "''"))
        return sql

    @cached_property
    def _written(self) -> frozenset[str]:
        """Every literal of the plan's statements."""
        statements = (Statement(sql=text) for _, two in self._planned for text in _texts(two))
        return frozenset(
            key_of(literal.value) for statement in statements for literal in statement.literals(self._names)
        )


def _replaced(text: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w.])", lambda _: new, text)


def _takes(call: Call, tool: str, name: str, value: JsonValue) -> bool:
    return call.name == tool and call.arguments.get(name) == value
