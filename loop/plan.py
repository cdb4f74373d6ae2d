"""Plans: reference programs whose arguments are literals, or come from what earlier calls answered.

A plan says how a value is to be had, not what it is. Running it in a fresh world gives the calls a right player would
make and what the tools answer to them.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from loop.errors import LoopdError, nearest
from loop.types import Call, From, Intent, PlannedCall, Result, Task, Turn, World

Derivation = Callable[[JsonValue, JsonValue], JsonValue]
"""A pure function of a result's value and the plan's operand."""

TurnRun = tuple[tuple[Call, ...], tuple[Result, ...]]
"""One turn's calls, and what the world answered to each."""


class PlanError(LoopdError):
    """A plan cannot be run as it is written."""


# --- derivations -----------------------------------------------------------------------------------------------------


def _items(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _pairs(value: JsonValue) -> list[tuple[JsonValue, JsonValue]]:
    """Name each item by its key or its place."""
    return list(value.items()) if isinstance(value, dict) else list(enumerate(_items(value)))


def _number(value: JsonValue) -> Decimal:
    """Read a number exactly as it is spelt, so that sums of money do not drift."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return Decimal(str(value).replace(",", "").strip().lstrip("$"))


def _spelt(number: Decimal) -> JsonValue:
    """Give a number back as JSON has it: an integer where it is one."""
    return int(number) if number == number.to_integral_value() else float(number)


def _key(item: JsonValue, operand: JsonValue) -> Decimal:
    """Measure an item: itself, or the field that the operand names."""
    return _number(item[operand] if isinstance(operand, str) and isinstance(item, dict) else item)


def _least(value: JsonValue, operand: JsonValue) -> JsonValue:
    return min(_pairs(value), key=lambda pair: _key(pair[1], operand))[0]


def _most(value: JsonValue, operand: JsonValue) -> JsonValue:
    return max(_pairs(value), key=lambda pair: _key(pair[1], operand))[0]


def _where(value: JsonValue, operand: JsonValue) -> JsonValue:
    if not isinstance(operand, dict):
        raise TypeError("the operand must be an object of field and value")
    wanted = operand.items()
    return next(item for _, item in _pairs(value) if isinstance(item, dict) and wanted <= item.items())


def _containing(value: JsonValue, operand: JsonValue) -> JsonValue:
    return next(item for item in _items(value) if str(operand) in str(item))


def _match(value: JsonValue, operand: JsonValue) -> JsonValue:
    """Find the operand's first group in a text. The operand is the task author's pattern, never a player's."""
    try:
        match = re.search(str(operand), str(value))
    except re.error as error:
        raise ValueError(f"{operand!r} is no pattern: {error}") from error
    if match is None:
        raise LookupError(f"nothing matches {operand!r}")
    return match.group(match.lastindex or 0)


def _at(value: JsonValue, operand: JsonValue) -> JsonValue:
    return _items(value)[int(_number(operand))]


RULES: Final[Mapping[str, Derivation]] = MappingProxyType(
    {
        "same": lambda value, _: value,
        "first": lambda value, _: _items(value)[0],
        "last": lambda value, _: _items(value)[-1],
        "at": _at,
        "count": lambda value, _: len(_pairs(value)),
        "keys": lambda value, _: [name for name, _ in _pairs(value)],
        "cheapest": _least,
        "dearest": _most,
        "least": lambda value, field: min((item for _, item in _pairs(value)), key=lambda item: _key(item, field)),
        "most": lambda value, field: max((item for _, item in _pairs(value)), key=lambda item: _key(item, field)),
        "where": _where,
        "containing": _containing,
        "match": _match,
        "text": lambda value, form: str(form or "{}").replace("{}", str(value)),
        "name": lambda value, _: str(value).rstrip("/").rsplit("/", 1)[-1],
        "integer": lambda value, _: int(_number(value)),
        "number": lambda value, _: _spelt(_number(value)),
        "round": lambda value, places: _spelt(round(_number(value), int(_number(places or 0)))),
        "floor": lambda value, _: math.floor(_number(value)),
        "plus": lambda value, operand: _spelt(_number(value) + _number(operand)),
        "minus": lambda value, operand: _spelt(_number(value) - _number(operand)),
        "times": lambda value, operand: _spelt(_number(value) * _number(operand)),
        "over": lambda value, operand: _spelt(_number(value) / _number(operand)),
        "per": lambda value, operand: math.floor(_number(operand) / _number(value)),
        "percent": lambda value, operand: _spelt(_number(value) * _number(operand) / 100),
        "sum": lambda value, _: _spelt(sum((_number(item) for _, item in _pairs(value)), Decimal())),
        "wrap": lambda value, _: [value],
        "lower": lambda value, _: str(value).lower(),
        "upper": lambda value, _: str(value).upper(),
        "title": lambda value, _: str(value).title(),
    }
)
"""Every derivation of a value from a result: pure functions of (value, operand).

`cheapest` and `dearest` name the item (its key or place) whose number, or whose field named by the operand, is least
or greatest; `least` and `most` give the item itself. `where` gives the first item with the operand's fields,
`containing` the first that contains its text, `match` the first group of its pattern. `per` is how many whole times
the value goes into the operand, `percent` the operand's share of it. Numbers are reckoned in decimal.
"""


# --- running ---------------------------------------------------------------------------------------------------------


def resolve(call: PlannedCall, results: Sequence[Result]) -> Call:
    """Fill in a planned call's arguments from the results so far, which stand in the order of the plan's calls.

    Raises:
        PlanError: a result that it refers to is missing, an error, or does not hold what the path names; the message
            names the tool, the argument, the step and the path.
    """
    return Call(
        name=call.name, arguments={name: _filled(call, name, value, results) for name, value in call.arguments.items()}
    )


def _filled(call: PlannedCall, name: str, argument: From | JsonValue, results: Sequence[Result]) -> JsonValue:
    if not isinstance(argument, From):
        return argument
    try:
        return derive(argument, results)
    except (LookupError, TypeError, ValueError, ArithmeticError, InvalidOperation, StopIteration) as error:
        place = f"{call.name}({name}) from step {argument.step}, path {list(argument.path)}, rule '{argument.rule}'"
        raise PlanError(f"{place}: {type(error).__name__}: {error}") from error


def derive(source: From, results: Sequence[Result]) -> JsonValue:
    """Follow a reference into the results.

    Raises:
        LookupError, TypeError, ValueError, ArithmeticError: the results do not hold what it names.
    """
    if source.rule not in RULES:
        raise LookupError(f"there is no rule '{source.rule}'.{nearest(source.rule, list(RULES))}")
    if source.step >= len(results):
        raise LookupError("that step has not been played")
    result = results[source.step]
    if not result.ok:
        raise ValueError(f"that step answered an error: {result.value}")
    value = result.value
    for step in source.path:
        value = _inner(value, step)
    return RULES[source.rule](value, source.operand)


def _inner(value: JsonValue, step: str | int) -> JsonValue:
    if isinstance(value, dict):
        return value[str(step)]
    return _items(value)[int(step)]


def run(task: Task, world: World) -> list[TurnRun]:
    """Run a task's plan in a fresh world: each turn's calls, and what the world answered.

    Raises:
        PlanError: a call's arguments cannot be had; the message names task, step and path.
    """
    return list(turns(task, world))


def turns(task: Task, world: World) -> Iterator[TurnRun]:
    """Run a plan as `run` does, and stop after each turn, so that the world can be looked at."""
    results: list[Result] = []
    for turn in task.turns:
        before = len(results)
        calls = tuple(_run_step(task, planned, world, results) for planned in turn.plan)
        yield calls, tuple(results[before:])


def _run_step(task: Task, planned: PlannedCall, world: World, results: list[Result]) -> Call:
    """Run one step, and add its result to those of the whole task."""
    try:
        call = resolve(planned, results)
    except PlanError as error:
        place = f"task {task.id[:12]} ({task.generator}/{task.family}), step {len(results)}"
        raise PlanError(f"{place}: {error}") from error
    results.append(world.call(call))
    return call


# --- closing ---------------------------------------------------------------------------------------------------------

PLACE: Final = re.compile(r"\{(\d+)\}")
"""Where a closing message names a value of `Turn.answer`."""


def closing(turn: Turn, results: Sequence[Result]) -> str:
    """Word a turn's closing message: its values filled in from the results so far, in the order of the plan's calls.

    Raises:
        PlanError: the results do not hold a value that it names.
    """
    if not turn.answer or turn.intent not in {Intent.ANSWER, Intent.REPORT}:
        return turn.closing
    values = [_described(value, results) for value in turn.answer]
    return PLACE.sub(lambda place: values[int(place[1])] if int(place[1]) < len(values) else place[0], turn.closing)


def _described(value: From | JsonValue, results: Sequence[Result]) -> str:
    if not isinstance(value, From):
        return spelled(value)
    try:
        return spelled(derive(value, results))
    except (LookupError, TypeError, ValueError, ArithmeticError, StopIteration) as error:
        place = f"closing, step {value.step}, path {list(value.path)}, rule '{value.rule}'"
        raise PlanError(f"{place}: {type(error).__name__}: {error}") from error


def spelled(value: JsonValue) -> str:
    """Spell a value as a sentence holds it: a list with commas and `and`, a truth as yes or no."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {spelled(inner)}" for name, inner in value.items()) or "nothing"
    if isinstance(value, list):
        return _listed([spelled(item) for item in value])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else str(value)


def _listed(items: Sequence[str]) -> str:
    return " and ".join([part for part in (", ".join(items[:-1]), *items[-1:]) if part]) or "nothing"
