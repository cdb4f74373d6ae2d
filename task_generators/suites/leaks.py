"""The leak audit: what suites share with training tasks and with each other, and which of it is known, and why.

`known_overlaps.toml` lists what is no leak, each with its reason. Everything else fails the audit, and a held-out suite
that shares anything with a sealed one fails it whatever the list says.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from pydantic import Field

from loop.plugins import known as known_parts
from loop.plugins import load
from loop.types import Part, Record, Split, Suite, Task, TaskGenerator
from task_generators.backends.bfcl import CATEGORIES
from task_generators.bfcl import tasks_of
from task_generators.suites.frozen import RENDERED
from task_generators.suites.listed import listed
from task_generators.suites.overlaps import TRAIN, Index, Likeness, Overlap, audit, between

FILE: Final = "known_overlaps.toml"
SEEDS: Final = 4
"""Training tasks of each arm that the suites are compared with."""


class KnownOverlap(Record):
    """A likeness that is no leak. Names and arms are patterns as in file names."""

    suite: tuple[str, ...] = ("*",)
    other: tuple[str, ...] = (TRAIN,)
    """Where the other task lies: `train`, or suites."""
    arm: str = "*"
    """Arms of the suite's tasks."""
    overlap: tuple[Overlap, ...] = tuple(Overlap)
    reason: str = Field(min_length=10)

    def covers(self, finding: Likeness) -> bool:
        """Whether a finding is this likeness."""
        return (
            not finding.crosses
            and finding.overlap in self.overlap
            and fnmatchcase(finding.arm, self.arm)
            and any(fnmatchcase(finding.suite, pattern) for pattern in self.suite)
            and any(fnmatchcase(finding.other_in, pattern) for pattern in self.other)
        )


class Shared(Record):
    """What one suite shares with training, or with another suite, in one way."""

    suite: str
    other: str
    overlap: Overlap
    tasks: int
    """Tasks of the suite that share it."""
    example: str
    """Id of one of them."""
    like: str
    """Id of the task that it is like."""
    reason: str | None
    """Why it is no leak; None where that is not known."""


def known() -> tuple[KnownOverlap, ...]:
    """Read the list of likenesses that are no leak.

    Raises:
        ConfigError: the list cannot be read; names the file and the entry.
    """
    return listed(FILE, KnownOverlap)


def reason(finding: Likeness, listing: Sequence[KnownOverlap]) -> str | None:
    """Say why a finding is no leak; None where nothing is known."""
    return next((overlap.reason for overlap in listing if overlap.covers(finding)), None)


def shared(suites: Sequence[Suite], tasks: Sequence[Task]) -> list[Shared]:
    """Compare suites with training tasks and with each other, and say what is known about it; the unknown first.

    Renderings of a suite's questions have that suite's leak groups, and are not compared again.
    """
    suites = [suite for suite in suites if suite.name != RENDERED]
    listing, groups = known(), defaultdict[tuple[str, str, Overlap, str | None], list[Likeness]](list)
    for finding in (*audit(suites, tasks), *between(suites)):
        groups[finding.suite, finding.other_in, finding.overlap, reason(finding, listing)].append(finding)
    rows = [_shared(key, likenesses) for key, likenesses in groups.items()]
    return sorted(rows, key=lambda row: (row.reason is not None, row.suite, row.other, row.overlap))


def _shared(key: tuple[str, str, Overlap, str | None], likenesses: Sequence[Likeness]) -> Shared:
    suite, other, overlap, why = key
    tasks = len({finding.task for finding in likenesses})
    return Shared(
        suite=suite,
        other=other,
        overlap=overlap,
        tasks=tasks,
        example=likenesses[0].task,
        like=likenesses[0].other,
        reason=why,
    )


def training_sample(seeds: int = SEEDS) -> list[Task]:
    """Make training tasks of every arm of every generator, and all of BFCL's training entries."""
    return [*_generated(seeds), *(task for category in CATEGORIES for task in tasks_of(category, Split.TRAIN))]


def _generated(seeds: int) -> Iterator[Task]:
    for name in known_parts("task_generators"):
        generator: TaskGenerator = load("task_generators", Part(use=name))
        for arm in generator.arms:
            yield from (generator.make(arm, seed) for seed in range(seeds))


class DatasetAudit:
    """What of a training row is like a task that a gate measures with."""

    def __init__(self, suites: Sequence[Suite]) -> None:
        """Index the suites' tasks once."""
        self.tasks = sum(len(suite.tasks) for suite in suites)
        self._index = Index(task for suite in suites for task in suite.tasks)
        self._names = {task.id: suite.name for suite in suites for task in suite.tasks}
        self._known = known()
        self._found: dict[str, Overlap | None] = {}

    def leak(self, task: Task) -> Overlap | None:
        """Say in what a training task is like a suite's task, unless the list knows that to be no leak."""
        if task.id not in self._found:
            self._found[task.id] = self._look(task)
        return self._found[task.id]

    def _look(self, task: Task) -> Overlap | None:
        for alike in self._index.alike(task):
            suite = self._names[alike.task.id]
            arm = str(alike.task.arm)
            finding = Likeness(overlap=alike.overlap, suite=suite, task=alike.task.id, other=task.id, arm=arm)
            if reason(finding, self._known) is None:
                return alike.overlap
        return None
