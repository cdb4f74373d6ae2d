"""Known defects of tasks that others wrote, from `defects.toml`: what is known against them, and who found it."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

from pydantic import Field

from loop.types import Record
from task_generators.suites.listed import listed

FILE: Final = "defects.toml"


class Defect(Record):
    """One defect of some tasks."""

    tasks: tuple[str, ...] = Field(min_length=1)
    """Ids in their data set: `Task.source`."""
    kind: Literal["unsound", "reported"]
    """`unsound`: no right player can pass it, or its gold is wrong: it leaves every score. `reported`: somebody said
    so, and it can be passed."""
    source: str = Field(min_length=3)
    note: str = Field(min_length=10)


@cache
def defects() -> Mapping[str, tuple[Defect, ...]]:
    """Give what is known against each task, by its id in its data set.

    Raises:
        ConfigError: the list cannot be read; names the file and the entry.
    """
    by_suite: dict[str, list[Defect]] = defaultdict(list)
    for defect in listed(FILE, Defect):
        for task in defect.tasks:
            by_suite[task].append(defect)
    return MappingProxyType({task: tuple(known) for task, known in by_suite.items()})
