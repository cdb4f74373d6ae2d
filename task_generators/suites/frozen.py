"""Frozen suites of held-out tasks, by name. A suite's digest is pinned by a test: changing one is a decision.

Generated suites are drawn from fixed seeds and each has a sealed twin. BFCL's are public, so they have none; nor have
tasks that were written by hand.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import cycle, islice
from types import MappingProxyType
from typing import Final, Literal

from loop.errors import NotFound, nearest
from loop.plugins import load
from loop.types import ArmKey, Part, Record, Split, Suite, Task, TaskGenerator, Tier
from task_generators.backends.bfcl_formats import format_tasks
from task_generators.backends.bfcl_memory import MEMORIES, memory_tasks
from task_generators.backends.bfcl_single import SINGLE_TURN, single_turn_tasks
from task_generators.bfcl import tasks_of
from task_generators.suites.canonical import canonical_tasks

FIRST_SEED: Final[Mapping[Split, int]] = MappingProxyType({Split.HELDOUT: 1_000_000_000, Split.SEALED: 2_000_000_000})
"""Seeds below belong to training."""


class Draw(Record):
    """So many tasks of some families of one generator, the families taking turns."""

    generator: str
    families: tuple[str, ...] = ()
    """Empty for all of them."""
    tiers: Mapping[Tier, int]
    """How many tasks of each tier."""
    offer: Literal["some", "whole"] = "some"


def _tiers(easy: int = 0, moderate: int = 0, hard: int = 0, veryhard: int = 0) -> dict[Tier, int]:
    return dict(zip(Tier, (easy, moderate, hard, veryhard), strict=True))


WALKS: Final = ("tidy", "walk", "copies", "project")
"""Families of files without data flow: names, paths and deep nesting, as the file gates before this one had them."""

ALONE: Final = ("files", "maths", "messages", "sql", "tickets", "trading", "travel", "twitter", "vehicle")
"""Generators of one backend each."""

FEW: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "files": ("tidy", "notes"),
        "maths": ("chain",),
        "messages": ("contact",),
        "sql": ("same",),
        "tickets": ("open",),
        "trading": ("buy",),
        "travel": ("airport",),
        "twitter": ("mention",),
        "vehicle": ("fuel",),
    }
)
"""A family of every backend whose arguments only an earlier result supplies, and one of files without: what a proof of
the whole loop on two cores has time to teach."""

GENERATED: Final[Mapping[str, tuple[Draw, ...]]] = MappingProxyType(
    {
        "rehearsal-depth": (Draw(generator="files", families=("tidy", "notes"), tiers=_tiers(10)),),
        "rehearsal-breadth": (
            Draw(generator="trading", families=("buy", "orders"), tiers=_tiers(8)),
            Draw(generator="travel", families=("airport", "money"), tiers=_tiers(8)),
        ),
        "quick-depth": (Draw(generator="files", families=("tidy", "notes"), tiers=_tiers(24, 24, 12)),),
        "quick-breadth": (
            Draw(generator="trading", families=("buy", "orders"), tiers=_tiers(12, 12, 6)),
            Draw(generator="travel", families=("airport", "money"), tiers=_tiers(12, 12, 6)),
        ),
        "small-depth": (Draw(generator="files", families=FEW["files"], tiers=_tiers(16, 16)),),
        "small-breadth": tuple(
            Draw(generator=name, families=families, tiers=_tiers(3, 3))
            for name, families in FEW.items()
            if name != "files"
        ),
        "depth": (Draw(generator="files", tiers=_tiers(24, 24, 72, 12), offer="whole"),),
        "depth-hard": (Draw(generator="files", families=WALKS, tiers=_tiers(hard=60), offer="whole"),),
        "depth-hardgen": (Draw(generator="files", families=WALKS, tiers=_tiers(hard=40), offer="whole"),),
        "depth-veryhard": (Draw(generator="files", tiers=_tiers(veryhard=18), offer="whole"),),
        "breadth": (
            *(Draw(generator=name, tiers=_tiers(4, 4, 3, 2), offer="whole") for name in ALONE if name != "files"),
            Draw(generator="pairs", tiers=_tiers(0, 32, 32, 0), offer="whole"),
        ),
        "abstention": (Draw(generator="abstention", tiers=_tiers(26, 13, 1), offer="whole"),),
        "repair": (Draw(generator="repair", tiers=_tiers(9, 18, 9), offer="whole"),),
        "sql": (Draw(generator="sql", tiers=_tiers(18, 18, 12, 2), offer="whole"),),
        **{
            f"{name}-{tier}": (Draw(generator=name, tiers={tier: 18}, offer="whole"),)
            for name in (*ALONE, "pairs")
            for tier in Tier
        },
    }
)
"""Suites that are drawn from generators; each has a twin `NAME-sealed`."""

CANONICAL: Final = "files-canonical"
"""The twelve hand-written tasks alone."""

HAND_WRITTEN: Final = (CANONICAL, "depth-hard")
"""Suites that begin with them; whatever follows is drawn."""

SEALED: Final = "-sealed"

BFCL: Final[Mapping[str, tuple[str, bool | None]]] = MappingProxyType(
    {
        "breadth-52": ("base", True),
        "breadth-rest": ("base", False),
        "bfcl-base": ("base", None),
        "bfcl-miss-func": ("miss_func", None),
        "bfcl-miss-param": ("miss_param", None),
        "bfcl-long-context": ("long_context", None),
    }
)
"""Held-out entries of BFCL: the category, and whether only those with a single backend other than the file system are
meant (true), only the others (false), or all."""


OFFICIAL: Final = (
    Part(use="outcome", settings={"abstain": False, "exact_numbers": True}),
    Part(use="stop", settings={"premature": False}),
)
"""BFCL's own rule for its multi-turn entries: states and answers after every turn, and no turn that reaches the cap."""

SINGLE: Final[Mapping[str, str]] = MappingProxyType(
    {f"bfcl-{category.replace('_', '-')}": category for category in SINGLE_TURN}
)
"""BFCL's single-turn categories, all of whose entries are held out."""

MEMORY: Final[Mapping[str, str]] = MappingProxyType(
    {f"bfcl-{category.replace('_', '-')}": category for category in MEMORIES}
)
"""BFCL's memory categories: a task a scenario, with all of its questions."""

RECALLED: Final = (Part(use="recall"),)
"""What judges answers about what was said before."""

RENDERED: Final = "bfcl-format-sensitivity"
"""200 of the single-turn questions, each under the 26 renderings of BFCL's system prompt."""

IN_TEXT: Final = (Part(use="text_match"),)
"""What judges calls that a player writes into its text."""

WRITTEN: Final = (Part(use="ast_match"),)
"""What judges single-turn answers: how they are written, for nothing is behind the functions."""


def names() -> tuple[str, ...]:
    """Names of all suites."""
    return (*(name + twin for name in GENERATED for twin in ("", SEALED)), CANONICAL, *BFCL, *SINGLE, *MEMORY, RENDERED)


def twin(name: str) -> str | None:
    """Name a suite's sealed twin, which is all drawn; None where it has none, or is one itself."""
    return name + SEALED if name in GENERATED else None


@cache
def suite(name: str) -> Suite:
    """Look a frozen suite up.

    Raises:
        NotFound: there is no suite of that name.
        ConfigError: it is one of BFCL's, and the data set is not installed; or a hand-written task cannot be read.
        BadEntry: it is one of BFCL's, and a file was edited so that it cannot be read; names file and line, or entry.
    """
    if name not in names():
        raise NotFound(f"There is no suite '{name}'.{nearest(name, names())}")
    if name in MEMORY:
        return Suite(name=name, tasks=tuple(memory_tasks(MEMORY[name])), checkers=RECALLED)
    if name == RENDERED:
        return Suite(name=name, tasks=tuple(format_tasks()), checkers=IN_TEXT)
    if name in SINGLE:
        return Suite(name=name, tasks=tuple(single_turn_tasks(SINGLE[name])), checkers=WRITTEN)
    if name in BFCL:
        return Suite(name=name, tasks=tuple(_entries(*BFCL[name])), checkers=OFFICIAL)
    written = canonical_tasks() if name in HAND_WRITTEN else ()
    return Suite(name=name, tasks=(*written, *_generated(name)))


def _entries(category: str, single: bool | None) -> Iterator[Task]:  # noqa: FBT001 - as `BFCL` has it
    """Take BFCL's held-out entries of a category."""
    for task in tasks_of(category, Split.HELDOUT):
        alone = len(task.backends) == 1 and task.backends != ("GorillaFileSystem",)
        if single is None or alone == single:
            yield task


def _generated(name: str) -> Iterator[Task]:
    """Draw a generated suite's tasks, no leak group twice."""
    split = Split.SEALED if name.endswith(SEALED) else Split.HELDOUT
    groups: set[str] = set()
    for draw in GENERATED.get(name.removesuffix(SEALED), ()):
        yield from _drawn(draw, split, groups)


def _drawn(draw: Draw, split: Split, groups: set[str]) -> Iterator[Task]:
    """Draw tasks whose leak groups are new, the arms taking turns."""
    generator: TaskGenerator = load("task_generators", Part(use=draw.generator, settings={"offer": draw.offer}))
    seeds: dict[ArmKey, int] = {}
    for tier, count in draw.tiers.items():
        arms = [arm for arm in generator.arms if arm.tier is tier and arm.family in (draw.families or (arm.family,))]
        for arm in islice(cycle(arms), count):
            seed = seeds.get(arm, FIRST_SEED[split])
            while (task := generator.make(arm, seed, split)).leak_group in groups:
                seed += 1
            seeds[arm] = seed + 1
            groups.add(task.leak_group)
            yield task
