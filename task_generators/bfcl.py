"""BFCL's own multi-turn entries as tasks. Entries of one number share a split over all four categories."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from loop.errors import NotFound, nearest
from loop.plan import run
from loop.types import Argument, ArmKey, From, PlannedCall, Record, Split, Task, Turn
from task_generators.backends.bfcl import CATEGORIES, entries, entry_task
from task_generators.backends.worlds import open_world

__all__ = ["Bfcl"]

HELDOUT_OF_TEN: Final = 3
"""Of ten numbers whose entries use two backends, so many are held out. Those with one backend all are: they are the
suites that others report."""

TWINS: Final = frozenset({"63", "133"})
"""Numbers that start in the same world as one that is held out, and are held out with it (`suites.overlaps` tells)."""


class Bfcl(Record):
    """The entries whose numbers are not held out, with what results supply as references: no blind plans."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "bfcl"

    @property
    def arms(self) -> tuple[ArmKey, ...]:
        """Every combination of backends, category and tier that a train entry has."""
        return tuple(_by_arm(Split.TRAIN))

    def make(self, arm: ArmKey, seed: int, split: Split = Split.TRAIN) -> Task:
        """Take an entry: the seed counts through the arm's entries, over and over.

        Raises:
            NotFound: no entry of that split is of this arm.
        """
        tasks = _by_arm(split).get(arm)
        if not tasks:
            raise NotFound(f"bfcl has no {split} '{arm}'.{nearest(str(arm), [str(known) for known in self.arms])}")
        return tasks[seed % len(tasks)]


def tasks_of(category: str, split: Split) -> Iterator[Task]:
    """Give a category's tasks of one split, in the order of their numbers.

    Raises:
        ConfigError: the data set is not installed.
        BadEntry: an entry cannot be read; the message names it.
    """
    for entry, gold in entries(category):
        if split_of_entry(entry["id"], entry["involved_classes"]) is split:
            yield referring(entry_task(entry, gold, split))


def split_of_entry(name: str, backends: list[str]) -> Split:
    """Say which split an entry belongs to, by its number: never sealed, for the entries are public."""
    number = name.rsplit("_", 1)[1]
    tenth = int.from_bytes(sha256(f"bfcl-{number}".encode()).digest()[:8]) % 10
    held_out = len(backends) == 1 or tenth < HELDOUT_OF_TEN or number in TWINS
    return Split.HELDOUT if held_out else Split.TRAIN


@cache
def _by_arm(split: Split) -> Mapping[ArmKey, tuple[Task, ...]]:
    by_arm: dict[ArmKey, list[Task]] = {}
    for category in CATEGORIES:
        for task in tasks_of(category, split):
            by_arm.setdefault(task.arm, []).append(task)
    return MappingProxyType({arm: tuple(tasks) for arm, tasks in by_arm.items()})


# --- references ------------------------------------------------------------------------------------------------------


def referring(task: Task) -> Task:
    """Replace the plan's literals that the user has not said and that an earlier result holds by references to it.

    The gold answers give what a result supplies as a literal; a player that was taught so would call blind.

    Raises:
        PlanError: the plan cannot be run.
    """
    said, steps = "", 0
    seen: list[tuple[JsonValue, From]] = []
    turns: list[Turn] = []
    for turn, (_, results) in zip(task.turns, run(task, open_world(task.backends, task.initial)), strict=True):
        said += f"{turn.user}\n".lower()
        calls: list[PlannedCall] = []
        for call, result in zip(turn.plan, results, strict=True):
            calls.append(_referring(call, said, seen))
            if result.ok:
                seen.extend(_leaves(result.value, steps, ()))
            steps += 1
        turns.append(turn.model_copy(update={"plan": tuple(calls)}))
    return task.model_copy(update={"turns": tuple(turns)})


def _referring(call: PlannedCall, said: str, seen: Sequence[tuple[JsonValue, From]]) -> PlannedCall:
    arguments: dict[str, Argument] = {name: _source(value, said, seen) for name, value in call.arguments.items()}
    return call.model_copy(update={"arguments": arguments})


def _source(value: Argument, said: str, seen: Sequence[tuple[JsonValue, From]]) -> Argument:
    """Refer to the last result that holds the value, unless the user has said it or it says next to nothing."""
    if isinstance(value, From | bool | list | dict) or value is None or str(value).lower() in said:
        return value
    return next((source for held, source in reversed(seen) if held == value and type(held) is type(value)), value)


def _leaves(value: JsonValue, step: int, path: tuple[str | int, ...]) -> Iterator[tuple[JsonValue, From]]:
    """List the single values of a result, each with a reference to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, step, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, step, (*path, index))
    else:
        yield value, From(step=step, path=path)
