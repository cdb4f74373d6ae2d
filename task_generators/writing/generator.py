"""What every domain's generator does: draw stories until one belongs to the split that is asked for."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import JsonValue

from loop.canonical import digest
from loop.errors import NotFound, nearest
from loop.types import ArmKey, Novelty, PlannedCall, Record, Split, Task
from task_generators.writing.draws import draws
from task_generators.writing.story import Family, Story, Stuck, tell

SHARES: Final[Mapping[Split, range]] = {
    Split.TRAIN: range(14),
    Split.HELDOUT: range(14, 18),
    Split.SEALED: range(18, 20),
}
"""Which twentieths of all contents belong to a split."""

MOST_DRAWS: Final = 1000
"""A family that finds no content of the split in so many draws is written wrong."""


class Domain(NamedTuple):
    """Families that share their backends and their short list of tools."""

    backends: tuple[str, ...]
    some: tuple[str, ...]
    """The tools that are offered where not all are, in the order in which they are shown."""
    families: tuple[Family[Any], ...]
    group: str = ""
    """Name of the generator whose tasks may have the same contents, where it is not this one."""


class Generator(Record):
    """Makes tasks of one or more domains. A subclass names its domains, and has the name of its module."""

    domains: ClassVar[tuple[Domain, ...]] = ()
    """What it makes tasks of."""

    offer: Literal["some", "whole"] = "some"
    """Offer a domain's short list of tools, the same for every task, or the backends' whole catalogues."""

    @property
    def name(self) -> str:
        """The module's name."""
        return type(self).__module__.rpartition(".")[2]

    frames: Literal["own", "training"] = "own"
    """Word held-out tasks in frames of their split's own, or in those of training."""

    @property
    def arms(self) -> tuple[ArmKey, ...]:
        """Everything that it makes for training."""
        return self._arms(unseen=False)

    @property
    def unseen(self) -> tuple[ArmKey, ...]:
        """What it makes for suites alone: families that are never trained."""
        return self._arms(unseen=True)

    def _arms(self, *, unseen: bool) -> tuple[ArmKey, ...]:
        return tuple(
            ArmKey(backends=domain.backends, family=family.name, tier=tier)
            for domain in self.domains
            for family in domain.families
            for tier in family.tiers
            if family.unseen is unseen
        )

    def make(self, arm: ArmKey, seed: int, split: Split = Split.TRAIN) -> Task:
        """Make one task: the same seed, the same task.

        Raises:
            NotFound: the arm is none of this generator's, or its family is never trained and the split is training's.
        """
        domain, family = self._find(arm)
        if family.unseen and split is Split.TRAIN:
            raise NotFound(f"'{arm}' is never trained: it is for suites alone.")
        story, group = self._draw(arm, domain, family, seed, split)
        return Task(
            generator=self.name,
            family=arm.family,
            tier=arm.tier,
            seed=seed,
            backends=domain.backends,
            initial=story.initial,
            tools=tuple(tool for tool in self._tools(domain) if tool not in story.hidden),
            turns=tuple(story.turns),
            split=split,
            leak_group=group,
            novelty=self._novelty(family, split),
        )

    def _novelty(self, family: Family[Any], split: Split) -> Novelty | None:
        """Say what is new in a task besides its values."""
        if split is Split.TRAIN:
            return None
        if family.unseen:
            return Novelty.FAMILY
        return Novelty.KNOWN if self.frames == "training" else Novelty.WORDS

    def _find(self, arm: ArmKey) -> tuple[Domain, Family[Any]]:
        for domain in self.domains:
            for family in domain.families:
                if (domain.backends, family.name) == (arm.backends, arm.family) and arm.tier in family.tiers:
                    return domain, family
        raise NotFound(f"{self.name} makes no '{arm}'.{nearest(str(arm), [str(known) for known in self.arms])}")

    def _draw(self, arm: ArmKey, domain: Domain, family: Family[Any], seed: int, split: Split) -> tuple[Story, str]:
        """Draw stories until one's content belongs to the split."""
        place = self.name if len(arm.backends) == 1 else "+".join((self.name, *arm.backends))
        frames = Split.TRAIN if self.frames == "training" else split
        for draw in range(MOST_DRAWS):
            key = f"{place}/{family.name}/{arm.tier}/{split}/{self.frames}/{seed}/{draw}"
            rng = draws(key, suites=split is not Split.TRAIN)
            try:
                story: Story = tell(family, arm.tier, rng, frames)
            except Stuck:
                continue
            group = leak_group(domain.group or self.name, story)
            if split_of(group) is split:
                return story, group
        raise NotFound(f"{arm}: no {split} task in {MOST_DRAWS} draws")

    def _tools(self, domain: Domain) -> tuple[str, ...]:
        if self.offer == "some":
            return domain.some
        from task_generators.backends.catalogues import tools_of  # noqa: PLC0415 - the documents are read on demand

        return tuple(tool for backend in domain.backends for tool in tools_of(backend))


def leak_group(generator: str, story: Story) -> str:
    """Name the group by what the plan does, whatever the words and whatever else lies about in the world."""
    steps: JsonValue = [_spelled(step) for turn in story.turns for step in turn.plan]
    key: JsonValue = story.key if steps else [turn.user for turn in story.turns]
    return f"{generator}:{digest([steps, key])[:24]}"


def split_of(group: str) -> Split:
    """Say which split a leak group belongs to, by its digest alone."""
    twentieth = int.from_bytes(sha256(group.encode()).digest()[:8]) % 20
    return next(split for split, share in SHARES.items() if twentieth in share)


def _spelled(step: PlannedCall) -> JsonValue:
    spelled: JsonValue = step.model_dump(mode="json")
    return spelled
