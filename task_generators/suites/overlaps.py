"""The audit of suites: what of a suite might have been learned by heart, from training tasks or from another suite."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from math import ceil
from typing import Final, NamedTuple

from loop.canonical import digest
from loop.types import From, Intent, Record, Suite, Task

ALIKE: Final = 0.9
"""Jaccard similarity of two tasks' pairs of words from which their wording counts as the same."""

FEW: Final = 8
"""Tasks with fewer pairs of words say too little to be compared by wording."""

TRAIN: Final = "train"
"""Where the other task lies, if it lies in no suite."""


class Overlap(StrEnum):
    """In what a task of a suite is like another task."""

    ID = "id"
    """It is the same task."""
    LEAK_GROUP = "leak group"
    """Both belong to one leak group."""
    INITIAL = "initial state"
    """Both start in the same world."""
    CALLS = "calls"
    """Both have the same plan, and what it refers to is the same."""
    WORDING = "wording"
    """The users say nearly the same, and what is to be done does not depend on the world."""


class Likeness(Record):
    """One likeness."""

    overlap: Overlap
    suite: str
    task: str
    """Id of the suite's task."""
    other: str
    """Id of the other task."""
    other_in: str = TRAIN
    """Where the other task lies: `train`, or another suite."""
    crosses: bool = False
    """Whether one suite is sealed and the other is not: nothing excuses that."""
    arm: str = ""
    """Arm of the suite's task."""
    source: str = ""
    """Where the suite's task comes from, if it was not generated."""
    detail: str = ""


class Alike(NamedTuple):
    """A task that is like the one that was asked about."""

    overlap: Overlap
    task: Task
    detail: str = ""


class Index:
    """Tasks by everything that must not come back: building it costs once, asking it does not grow with its size."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """Index tasks; one that is given twice counts once."""
        once = list({task.id: task for task in tasks}.values())
        self._wording = _Wording(once)
        self._by_key: dict[tuple[Overlap, str], list[Task]] = defaultdict(list)
        for task in once:
            for overlap, key in _keys(task).items():
                self._by_key[overlap, key].append(task)

    def alike(self, task: Task) -> Iterator[Alike]:
        """Yield one task for each kind of likeness."""
        for overlap, key in _keys(task).items():
            if entries := self._by_key.get((overlap, key)):
                yield Alike(overlap, entries[0])
        yield from self._wording.alike(task)[:1]

    def all_alike(self, task: Task) -> Iterator[Alike]:
        """Yield every task that is alike, for each kind."""
        for overlap, key in _keys(task).items():
            yield from (Alike(overlap, entry) for entry in self._by_key.get((overlap, key), ()))
        yield from self._wording.alike(task)


def audit(suites: Iterable[Suite], tasks: Sequence[Task]) -> list[Likeness]:
    """Compare suites with training tasks: ids, leak groups, initial states, plans, wording.

    One finding for each suite task and kind, with one example. The order is that of the suites.
    """
    index = Index(tasks)
    return [_finding(suite, task, alike) for suite in suites for task in suite.tasks for alike in index.alike(task)]


def between(suites: Sequence[Suite]) -> list[Likeness]:
    """Compare suites with each other: one finding for each task, kind and later suite, with one example."""
    index, places = Index(task for suite in suites for task in suite.tasks), _places(suites)
    seen: dict[tuple[str, str, str, Overlap], Likeness] = {}
    for position, suite in enumerate(suites):
        for task in suite.tasks:
            for alike in index.all_alike(task):
                for other in places[alike.task.id]:
                    if other > position:
                        name = suites[other].name
                        key = (suite.name, task.id, name, alike.overlap)
                        seen.setdefault(key, _finding(suite, task, alike, name))
    return list(seen.values())


def _places(suites: Sequence[Suite]) -> Mapping[str, list[int]]:
    """Say in which suites a task lies."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, suite in enumerate(suites):
        for task in suite.tasks:
            places[task.id].append(index)
    return places


def _finding(suite: Suite, task: Task, alike: Alike, other_in: str = TRAIN) -> Likeness:
    return Likeness(
        overlap=alike.overlap,
        suite=suite.name,
        task=task.id,
        other=alike.task.id,
        other_in=other_in,
        crosses=other_in != TRAIN and alike.task.split is not task.split,
        arm=str(task.arm),
        source=task.source,
        detail=alike.detail,
    )


def _keys(task: Task) -> Mapping[Overlap, str]:
    """Name what must not come back. What says nothing, an empty world or plan, is left out."""
    keys = {Overlap.ID: task.id, Overlap.LEAK_GROUP: task.leak_group}
    if any(task.initial.values()):
        keys[Overlap.INITIAL] = digest(dict(task.initial))
    if task.plan:
        world = dict(task.initial) if _refers(task) else None
        keys[Overlap.CALLS] = digest([[call.model_dump(mode="json") for call in task.plan], world])
    return keys


def _refers(task: Task) -> bool:
    """Whether what is done or answered depends on the world: then equal words are different tasks."""
    taken = (argument for call in task.plan for argument in call.arguments.values())
    asks = any(turn.intent is Intent.ANSWER for turn in task.turns)
    return asks or any(isinstance(argument, From) for argument in taken)


class _Wording:
    """Tasks by their pairs of neighbouring words, found by the rarest ones: exact, where MinHash would guess."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = [task for task in tasks if not _refers(task)]
        self._pairs = [_pairs(task) for task in self._tasks]
        self._often = Counter(pair for pairs in self._pairs for pair in pairs)
        self._index: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, pairs in enumerate(self._pairs):
            for pair in self._rarest(pairs):
                self._index[pair].append(index)

    def _rarest(self, pairs: frozenset[tuple[str, str]]) -> list[tuple[str, str]]:
        """Two sets that are alike share one of so many of their rarest members (Chaudhuri et al., 2006)."""
        order = sorted(pairs, key=lambda pair: (self._often[pair], pair))
        return order[: len(order) - ceil(ALIKE * len(order)) + 1]

    def alike(self, task: Task) -> list[Alike]:
        """Give the tasks that say nearly the same, the nearest first, each with how nearly."""
        pairs = frozenset[tuple[str, str]]() if _refers(task) else _pairs(task)
        if len(pairs) < FEW:
            return []
        places = {place for pair in self._rarest(pairs) for place in self._index.get(pair, ())}
        likeness = {place: _jaccard(pairs, self._pairs[place]) for place in sorted(places)}
        near = sorted((-how, place) for place, how in likeness.items() if how >= ALIKE)
        return [Alike(Overlap.WORDING, self._tasks[place], f"{-how:.2f}") for how, place in near]


def _pairs(task: Task) -> frozenset[tuple[str, str]]:
    words = " ".join(turn.user for turn in task.turns).lower().split()
    return frozenset(pairwise(words))


def _jaccard(one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> float:
    return len(one & other) / len(one | other)
