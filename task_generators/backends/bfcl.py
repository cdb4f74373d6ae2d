"""BFCL's multi-turn entries as tasks.

Each of the four categories holds 200 entries over the same 200 numbers: `miss_func` takes a function away until a
later turn, `miss_param` a parameter, `long_context` fills the worlds. Entries of one number share their worlds and most
of their words, so a number is a leak group.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from pydantic import ValidationError

from loop.calls import NotACall, read_call
from loop.errors import ConfigError, LoopdError
from loop.types import PlannedCall, Split, Task, Tier, Turn
from task_generators.backends.backend import backend as backend_of
from task_generators.backends.catalogues import tools_of
from task_generators.backends.installed import INSTALL
from task_generators.backends.worlds import LONG_CONTEXT

CATEGORIES: Final = ("base", "miss_func", "miss_param", "long_context")

TIERS: Final = ((2, Tier.EASY), (4, Tier.MODERATE), (8, Tier.HARD))
"""Most calls of each tier; beyond the last, very hard."""


class BadEntry(LoopdError):
    """An entry of the data set cannot be read as a task."""


def entries(category: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Read a category's entries, each with its gold answer.

    Raises:
        ConfigError: the data set is not installed.
        BadEntry: a line is no entry, or has no gold answer; the message names file and line.
    """
    questions = read_lines(f"BFCL_v4_multi_turn_{category}.json")
    answers = read_lines(f"possible_answer/BFCL_v4_multi_turn_{category}.json")
    gold = {answer["id"]: answer for answer in answers}
    for entry in questions:
        if entry["id"] not in gold:
            raise BadEntry(f"{entry['id']} has no gold answer in possible_answer/")
        yield entry, gold[entry["id"]]


def read_lines(name: str) -> list[dict[str, Any]]:
    """Read a file of the data set, one entry a line.

    Raises:
        ConfigError: the data set is not installed.
        BadEntry: a line is no entry; the message names file and line.
    """
    try:
        path = files("bfcl_eval").joinpath("data", *name.split("/"))
        text = path.read_text(encoding="utf-8")
    except (ImportError, OSError) as error:
        raise ConfigError(f"{error}. {INSTALL}") from error
    return [_line(line, f"{path}:{number}") for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _line(line: str, location: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        entry["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadEntry(f"{location}: {type(error).__name__}: {error}") from error
    return dict(entry)


def entry_task(entry: Mapping[str, Any], gold: Mapping[str, Any], split: Split = Split.TRAIN) -> Task:
    """Build the task of one entry. The plan is the gold answer: literals all through.

    Raises:
        BadEntry: a gold call is not one call with literal arguments, or the entry lacks something.
    """
    try:
        return _task(entry, gold, split)
    except (KeyError, TypeError, AttributeError, NotACall, ValidationError) as error:
        raise BadEntry(f"{entry.get('id')}: {type(error).__name__}: {error}") from error


def _task(entry: Mapping[str, Any], gold: Mapping[str, Any], split: Split) -> Task:
    category, number = entry["id"].removeprefix("multi_turn_").rsplit("_", 1)
    late = {int(turn): tuple(names) for turn, names in (entry.get("missed_function") or {}).items()}
    hidden = {*entry.get("excluded_function", ()), *(name for names in late.values() for name in names)}
    backends = tuple(entry["involved_classes"])
    plans = [_plan(calls, backends) for calls in gold["ground_truth"]]
    return Task(
        generator="bfcl",
        family=category,
        tier=tier_of(sum(map(len, plans))),
        seed=int(number),
        backends=backends,
        initial={**entry["initial_config"], **({LONG_CONTEXT: True} if category == "long_context" else {})},
        tools=tuple(name for backend in backends for name in tools_of(backend) if name not in hidden),
        turns=tuple(
            Turn(user=_words(messages), plan=plan, adds=late.get(index, ()))
            for index, (messages, plan) in enumerate(zip(entry["question"], plans, strict=True))
        ),
        split=split,
        leak_group=f"bfcl-{number}",
        source=entry["id"],
    )


def _plan(calls: Sequence[str], backends: Sequence[str]) -> tuple[PlannedCall, ...]:
    positions = {
        name: tuple(_properties(tool.parameters))
        for backend in backends
        for name, tool in backend_of(backend).tools.items()
    }
    spelt = [read_call(text, positions) for text in calls]
    return tuple(PlannedCall(name=call.name, arguments=call.arguments) for call in spelt)


def _properties(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(parameters["properties"])


def _words(messages: Sequence[Mapping[str, str]]) -> str:
    """Say what the user says; where functions appear, BFCL leaves it to a fixed sentence."""
    if messages:
        return "\n\n".join(message["content"] for message in messages)
    from bfcl_eval.constants.default_prompts import (  # noqa: PLC0415 - the data set may not be installed
        DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC,
    )

    return str(DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC)


def tier_of(calls: int) -> Tier:
    """Say how hard so many calls are."""
    return next((tier for most, tier in TIERS if calls <= most), Tier.VERYHARD)
