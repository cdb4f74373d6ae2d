"""The audit of suites against training tasks: what of a suite might have been learned by heart."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from math import ceil
from typing import Final

from loop.canonical import digest
from loop.types import From, Record, Suite, Task

ALIKE: Final = 0.9
"""Jaccard similarity of two tasks' pairs of words from which their wording counts as the same."""

FEW: Final = 8
"""Tasks with fewer pairs of words say too little to be compared by wording."""


class Overlap(StrEnum):
    """In what a task of a suite is like a training task."""

    ID = "id"
    """It is the same task."""
    LEAK_GROUP = "leak group"
    """Both belong to one leak group."""
    INITIAL = "initial state"
    """Both start in the same world."""
    CALLS = "calls"
    """Both have the same plan, and what it refers to is the same."""
    WORDING = "wording"
    """The users say nearly the same."""


class Finding(Record):
    """One likeness."""

    overlap: Overlap
    suite: str
    task: str
    """Id of the suite's task."""
    other: str
    """Id of the training task."""
    source: str = ""
    """Where the suite's task comes from, if it was not generated."""
    detail: str = ""


def audit(suites: Iterable[Suite], tasks: Sequence[Task]) -> list[Finding]:
    """Compare suites with training tasks: ids, leak groups, initial states, plans, wording.

    One finding for each suite task and kind, with one example. The order is that of the suites.
    """
    known, wording = _Known(tasks), _Wording(tasks)
    return [finding for suite in suites for task in suite.tasks for finding in _findings(suite, task, known, wording)]


def _findings(suite: Suite, task: Task, known: "_Known", wording: "_Wording") -> Iterator[Finding]:
    for overlap, key in _keys(task).items():
        if other := known.holder(overlap, key):
            yield _finding(overlap, suite, task, other)
    if found := wording.nearest(task):
        other, likeness = found
        yield _finding(Overlap.WORDING, suite, task, other, f"{likeness:.2f}")


def _finding(overlap: Overlap, suite: Suite, task: Task, other: Task, detail: str = "") -> Finding:
    return Finding(overlap=overlap, suite=suite.name, task=task.id, other=other.id, source=task.source, detail=detail)


class _Known:
    """Training tasks by everything that must not come back."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._by_key: dict[tuple[Overlap, str], Task] = {}
        for task in tasks:
            for overlap, key in _keys(task).items():
                self._by_key.setdefault((overlap, key), task)

    def holder(self, overlap: Overlap, key: str) -> Task | None:
        """Give a training task with this key."""
        return self._by_key.get((overlap, key))


def _keys(task: Task) -> Mapping[Overlap, str]:
    """Name what must not come back. What says nothing, an empty world or plan, is left out."""
    keys = {Overlap.ID: task.id, Overlap.LEAK_GROUP: task.leak_group}
    if any(task.initial.values()):
        keys[Overlap.INITIAL] = digest(dict(task.initial))
    if task.plan:
        refers = any(isinstance(argument, From) for call in task.plan for argument in call.arguments.values())
        world = dict(task.initial) if refers else None
        keys[Overlap.CALLS] = digest([[call.model_dump(mode="json") for call in task.plan], world])
    return keys


class _Wording:
    """Training tasks by their pairs of neighbouring words, found by the rarest ones."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._pairs = [_pairs(task) for task in tasks]
        self._often = Counter(pair for pairs in self._pairs for pair in pairs)
        self._index: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, pairs in enumerate(self._pairs):
            for pair in self._rarest(pairs):
                self._index[pair].append(place)

    def _rarest(self, pairs: frozenset[tuple[str, str]]) -> list[tuple[str, str]]:
        """Two sets that are alike share one of so many of their rarest members (Chaudhuri et al., 2006)."""
        order = sorted(pairs, key=lambda pair: (self._often[pair], pair))
        return order[: len(order) - ceil(ALIKE * len(order)) + 1]

    def nearest(self, task: Task) -> tuple[Task, float] | None:
        """Give a training task that says nearly the same, and how nearly."""
        pairs = _pairs(task)
        if len(pairs) < FEW:
            return None
        places = {place for pair in self._rarest(pairs) for place in self._index.get(pair, ())}
        likeness = {place: _jaccard(pairs, self._pairs[place]) for place in sorted(places)}
        best = max(likeness, key=lambda place: likeness[place], default=None)
        return None if best is None or likeness[best] < ALIKE else (self._tasks[best], likeness[best])


def _pairs(task: Task) -> frozenset[tuple[str, str]]:
    words = " ".join(turn.user for turn in task.turns).lower().split()
    return frozenset(pairwise(words))


def _jaccard(one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> float:
    return len(one & other) / len(one | other)
