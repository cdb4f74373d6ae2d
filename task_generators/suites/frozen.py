"""Frozen suites of held-out tasks, by name. A suite's digest is pinned by a test: changing one is a decision.

Generated suites are drawn from fixed seeds and each has a sealed twin. BFCL's are public, so they have none; nor have
tasks that were written by hand. A generated suite has three parts (`Novelty`), which stand in it by turns, as backends
and tiers do: whatever is taken from its beginning has a fair share of each.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import count, cycle, islice
from types import MappingProxyType
from typing import Final, Literal

from loop.errors import NotFound, nearest
from loop.plugins import load
from loop.types import ArmKey, Novelty, Part, Record, Split, Suite, Task, Tier
from task_generators.backends.bfcl_formats import format_tasks
from task_generators.backends.bfcl_memory import MEMORIES, memory_tasks
from task_generators.backends.bfcl_single import SINGLE_TURN, single_turn_tasks
from task_generators.bfcl import tasks_of
from task_generators.suites.canonical import canonical_tasks
from task_generators.writing.generator import Generator

FIRST_SEED: Final[Mapping[Split, int]] = MappingProxyType({Split.HELDOUT: 1_000_000_000, Split.SEALED: 2_000_000_000})
"""Seeds below belong to training."""


TRIES: Final = 200
"""Seeds, or arms, in a row that bring nothing new, after which there is no more to draw."""
LONGEST: Final = 3
"""Digits of how many times a suite was drawn, at most."""


class Draw(Record):
    """Tasks of one generator: backends, tiers and families take turns in it."""

    generator: str
    known: int
    """Tasks in known words. A sealed twin has as many more in its own words: it keeps nothing of training's."""
    new: int
    """Tasks in words of their own."""
    unseen: int = 0
    """Tasks of families that are never trained, in words of their own as well."""
    tiers: Mapping[Tier, int]
    """How often a tier comes, beside the others."""
    families: tuple[str, ...] = ()
    """Families that are trained; empty for all of them."""
    offer: Literal["some", "whole"] = "some"


def _tiers(easy: int = 0, moderate: int = 0, hard: int = 0, veryhard: int = 0) -> dict[Tier, int]:
    counts = zip(Tier, (easy, moderate, hard, veryhard), strict=True)
    return {tier: count for tier, count in counts if count}


WALKS: Final = ("tidy", "walk", "copies")
"""Families of files without data flow: names, paths and deep nesting, as the file gates before this one had them."""

ALONE: Final = ("files", "maths", "messages", "sql", "tickets", "trading", "travel", "twitter", "vehicle")
"""Generators of one backend each."""

GENERATED: Final[Mapping[str, tuple[Draw, ...]]] = MappingProxyType(
    {
        "rehearsal-depth": (
            Draw(generator="files", known=4, new=4, unseen=2, tiers=_tiers(1), families=("tidy", "notes")),
        ),
        "rehearsal-breadth": (
            Draw(generator="trading", known=3, new=3, unseen=2, tiers=_tiers(1), families=("buy", "orders")),
            Draw(generator="travel", known=3, new=3, unseen=2, tiers=_tiers(1), families=("airport", "money")),
        ),
        "quick-depth": (Draw(generator="files", known=80, new=80, unseen=40, tiers=_tiers(2, 2, 1)),),
        "quick-breadth": (
            *(Draw(generator=name, known=30, new=30, unseen=4, tiers=_tiers(2, 2, 1)) for name in ALONE),
            Draw(generator="pairs", known=8, new=8, tiers=_tiers(1, 1)),
        ),
        "depth": (Draw(generator="files", known=240, new=240, unseen=80, tiers=_tiers(2, 2, 5, 1), offer="whole"),),
        "depth-hard": (Draw(generator="files", known=30, new=30, tiers=_tiers(hard=1), families=WALKS, offer="whole"),),
        "depth-hardgen": (
            Draw(generator="files", known=20, new=20, tiers=_tiers(hard=1), families=WALKS, offer="whole"),
        ),
        "depth-veryhard": (
            Draw(generator="files", known=12, new=12, unseen=6, tiers=_tiers(veryhard=1), offer="whole"),
        ),
        "breadth": (
            *(
                Draw(generator=name, known=56, new=56, unseen=18, tiers=_tiers(4, 4, 3, 2), offer="whole")
                for name in ALONE
            ),
            Draw(generator="pairs", known=32, new=32, tiers=_tiers(0, 1, 1, 0), offer="whole"),
        ),
        "abstention": (Draw(generator="abstention", known=210, new=210, tiers=_tiers(4, 2, 1), offer="whole"),),
        "repair": (Draw(generator="repair", known=135, new=135, tiers=_tiers(1, 2, 1), offer="whole"),),
        "sql": (Draw(generator="sql", known=24, new=24, unseen=12, tiers=_tiers(2, 2, 1), offer="whole"),),
        **{
            f"{name}-{tier}": (
                Draw(generator=name, known=12, new=12, unseen=6 * (name in ALONE), tiers={tier: 1}, offer="whole"),
            )
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
    return name + SEALED if may_grow(name) else None


@cache
def suite(name: str) -> Suite:
    """Look a frozen suite up.

    Raises:
        NotFound: there is no suite of that name.
        ConfigError: it is one of BFCL's, and the data set is not installed; or a hand-written task cannot be read.
        BadEntry: it is one of BFCL's, and a file was edited so that it cannot be read; names file and line, or entry.
    """
    base, times = _grown(name)
    if base not in names():
        raise NotFound(f"There is no suite '{name}'.{nearest(base, names())}")
    if name in MEMORY:
        return Suite(name=name, tasks=tuple(memory_tasks(MEMORY[name])), checkers=RECALLED)
    if name == RENDERED:
        return Suite(name=name, tasks=tuple(format_tasks()), checkers=IN_TEXT)
    if name in SINGLE:
        return Suite(name=name, tasks=tuple(single_turn_tasks(SINGLE[name])), checkers=WRITTEN)
    if name in BFCL:
        return Suite(name=name, tasks=tuple(_entries(*BFCL[name])), checkers=OFFICIAL)
    written = canonical_tasks() if base in HAND_WRITTEN else ()
    return Suite(name=name, tasks=(*written, *_generated(base, times)))


def grown(name: str, times: int) -> str:
    """Name a suite that was drawn so many times as large: `depth.2`, `depth.2-sealed`; for once the suite itself."""
    base, before = _grown(name)
    stem = base.removesuffix(SEALED)
    return name if times == 1 else f"{stem}.{before * times}{base[len(stem) :]}"


def may_grow(name: str) -> bool:
    """Whether more of a suite's tasks can be drawn: not of what was written by hand, or comes from elsewhere."""
    return _grown(name)[0] in GENERATED


def _grown(name: str) -> tuple[str, int]:
    """Read the name of a grown suite: the suite, and how many times it was drawn; once where the name says nothing."""
    stem = name.removesuffix(SEALED)
    base, _, times = stem.rpartition(".")
    if not (base in GENERATED and times.isdecimal() and int(times) > 1 and len(times) <= LONGEST):
        return name, 1
    return base + name[len(stem) :], int(times)


def _entries(category: str, single: bool | None) -> Iterator[Task]:  # noqa: FBT001 - as `BFCL` has it
    """Take BFCL's held-out entries of a category."""
    for task in tasks_of(category, Split.HELDOUT):
        alone = len(task.backends) == 1 and task.backends != ("GorillaFileSystem",)
        if single is None or alone == single:
            yield task


def _generated(name: str, times: int) -> Iterator[Task]:
    """Draw a generated suite's tasks so many times, no leak group twice, the parts of each drawing taking turns."""
    split = Split.SEALED if name.endswith(SEALED) else Split.HELDOUT
    groups: set[str] = set()
    parts = [part for draw in GENERATED.get(name.removesuffix(SEALED), ()) for part in _parts(draw, split, groups)]
    for _ in range(times):
        yield from _by_turns([list(islice(tasks, number)) for tasks, number in parts])


def _by_turns(parts: Iterable[list[Task]]) -> Iterator[Task]:
    """Spread each part evenly over the whole: every beginning has a fair share of all of them."""
    places = [
        ((number + 0.5) / len(tasks), index, task)
        for index, tasks in enumerate(parts)
        for number, task in enumerate(tasks)
    ]
    yield from (task for _, _, task in sorted(places, key=lambda index: index[:2]))


def _parts(draw: Draw, split: Split, groups: set[str]) -> Iterator[tuple[Iterator[Task], int]]:
    """Name the parts of one generator, and how many tasks a drawing takes. All words of a sealed suite are its own."""
    own = draw.new + (draw.known if split is Split.SEALED else 0)
    counts = {Novelty.KNOWN: draw.known + draw.new - own, Novelty.WORDS: own, Novelty.FAMILY: draw.unseen}
    yield from ((_drawn(draw, novelty, split, groups), count) for novelty, count in counts.items() if count)


def _drawn(draw: Draw, novelty: Novelty, split: Split, groups: set[str]) -> Iterator[Task]:
    """Draw tasks whose leak groups are new, until no arm has any more."""
    frames = "training" if novelty is Novelty.KNOWN else "own"
    settings = {"offer": draw.offer, "frames": frames}
    generator: Generator = load("task_generators", Part(use=draw.generator, settings=settings))
    trained = [arm for arm in generator.arms if arm.family in (draw.families or (arm.family,))]
    arms = generator.unseen if novelty is Novelty.FAMILY else trained
    turns = {arm: _fresh(generator, arm, split, groups) for arm in arms}
    missed = 0
    for arm in _arms(arms, draw.tiers):
        task = next(turns[arm], None)
        missed = 0 if task else missed + 1
        if task:
            yield task
        elif missed == TRIES:
            return


def _fresh(generator: Generator, arm: ArmKey, split: Split, groups: set[str]) -> Iterator[Task]:
    """Make an arm's tasks in the order of their seeds, until too many in a row bring no new leak group."""
    missed = 0
    for seed in count(FIRST_SEED[split]):
        task = generator.make(arm, seed, split)
        missed = missed + 1 if task.leak_group in groups else 0
        if not missed:
            groups.add(task.leak_group)
            yield task
        elif missed == TRIES:
            return


def _arms(arms: Iterable[ArmKey], tiers: Mapping[Tier, int]) -> Iterator[ArmKey]:
    """Name arms by turns, for ever: the backends first, then tiers, as often as they come, and families."""
    known = list(arms)
    backends = list(dict.fromkeys(arm.backends for arm in known))
    rounds = [
        _arms_of([arm for arm in known if arm.backends == backend], tiers, index)
        for index, backend in enumerate(backends)
    ]
    for turn in cycle(rounds):
        yield next(turn)


def _arms_of(arms: list[ArmKey], tiers: Mapping[Tier, int], index: int) -> Iterator[ArmKey]:
    """Name one backend's arms by turns, for ever; `place` is where in the order of its tiers it begins."""
    families = {tier: [arm for arm in arms if arm.tier is tier] for tier in tiers}
    order = [tier for tier in _mixed(tiers) if families[tier]]
    turns = {tier: cycle(names) for tier, names in families.items() if names}
    for tier in islice(cycle(order), index % len(order), None):
        yield next(turns[tier])


def _mixed(tiers: Mapping[Tier, int]) -> list[Tier]:
    """Order tiers by turns, each as often as it comes."""
    places = [((number + 0.5) / count, tier) for tier, count in tiers.items() for number in range(count)]
    return [tier for _, tier in sorted(places, key=lambda place: (place[0], list(Tier).index(place[1])))]
