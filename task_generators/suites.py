"""Frozen suites of held-out tasks, by name. A suite's digest is pinned by a test: changing one is a decision."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import cycle, islice
from types import MappingProxyType
from typing import Final, Literal

from loop.errors import NotFound, nearest
from loop.plugins import load
from loop.types import ArmKey, Part, Record, Split, Suite, Task, TaskGenerator, Tier

FIRST_SEED: Final[Mapping[Split, int]] = MappingProxyType({Split.HELDOUT: 1_000_000_000, Split.SEALED: 2_000_000_000})
"""Seeds below belong to training."""


class Draw(Record):
    """So many tasks of some families of one generator, the families taking turns."""

    generator: str
    families: tuple[str, ...]
    tiers: Mapping[Tier, int]
    """How many tasks of each tier."""
    offer: Literal["some", "whole"] = "some"


def _short(easy: int, moderate: int, hard: int) -> dict[Tier, int]:
    return {Tier.EASY: easy, Tier.MODERATE: moderate, Tier.HARD: hard}


GENERATED: Final[Mapping[str, tuple[Draw, ...]]] = MappingProxyType(
    {
        "rehearsal-depth": (Draw(generator="files", families=("tidy", "notes"), tiers=_short(10, 0, 0)),),
        "rehearsal-breadth": (
            Draw(generator="trading", families=("buy", "orders"), tiers=_short(8, 0, 0)),
            Draw(generator="travel", families=("airport", "money"), tiers=_short(8, 0, 0)),
        ),
        "quick-depth": (Draw(generator="files", families=("tidy", "walk", "notes"), tiers=_short(24, 24, 12)),),
        "quick-breadth": (
            Draw(generator="trading", families=("buy", "orders", "company", "watch"), tiers=_short(12, 12, 6)),
            Draw(generator="travel", families=("airport", "money", "booking", "login"), tiers=_short(12, 12, 6)),
        ),
    }
)
"""Suites that are drawn from generators; each has a twin `NAME-sealed`."""

SEALED: Final = "-sealed"


def names() -> tuple[str, ...]:
    """Names of all suites."""
    return tuple(name + twin for name in GENERATED for twin in ("", SEALED))


@cache
def suite(name: str) -> Suite:
    """Look a frozen suite up.

    Raises:
        NotFound: there is no suite of that name.
    """
    if name not in names():
        raise NotFound(f"There is no suite '{name}'.{nearest(name, names())}")
    split = Split.SEALED if name.endswith(SEALED) else Split.HELDOUT
    draws = GENERATED[name.removesuffix(SEALED)]
    return Suite(name=name, tasks=tuple(task for draw in draws for task in _drawn(draw, split)))


def _drawn(draw: Draw, split: Split) -> Iterator[Task]:
    """Draw the tasks, no leak group twice."""
    generator: TaskGenerator = load("task_generators", Part(use=draw.generator, settings={"offer": draw.offer}))
    groups: set[str] = set()
    for tier, count in draw.tiers.items():
        arms = [arm for arm in generator.arms if arm.tier is tier and arm.family in draw.families]
        for arm in islice(cycle(arms), count):
            task = _new(generator, arm, split, groups)
            groups.add(task.leak_group)
            yield task


def _new(generator: TaskGenerator, arm: ArmKey, split: Split, groups: set[str]) -> Task:
    """Make the next task of an arm whose leak group is not in the suite yet."""
    seed = FIRST_SEED[split]
    while (task := generator.make(arm, seed, split)).leak_group in groups:
        seed += 1
    return task
