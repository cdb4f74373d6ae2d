"""Which arms a student is ready for: tiers and pairs open as what they build on is mastered."""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Final

from loop.types import ArmKey, Tier

Name = tuple[tuple[str, ...], str, Tier]
"""An arm key as a plain tuple, which hashes faster than the record."""
name: Final[Callable[[ArmKey], Name]] = attrgetter("backends", "family", "tier")
EASIER: Final[Mapping[Tier, tuple[Tier, ...]]] = {tier: tuple(Tier)[:place][::-1] for place, tier in enumerate(Tier)}
"""The tiers below each tier, the nearest first."""


def opened(names: Sequence[Name], mastered: Sequence[bool], free: Collection[Tier]) -> list[bool]:
    """Say for every arm whether it is open.

    A tier is open where it is in `free`, is the family's first, or follows a mastered one. A pair is open, besides,
    only when the student has mastered an arm of each of its backends alone (where there is one).
    """
    masters = dict(zip(names, mastered, strict=True))
    alone = {backends[0] for backends, _, _ in names if len(backends) == 1}
    ready = {backends[0] for (backends, _, _), is_mastered in masters.items() if is_mastered and len(backends) == 1}
    waiting = alone - ready
    return [
        (arm[2] in free or _follows(arm, masters)) and (len(arm[0]) == 1 or waiting.isdisjoint(arm[0])) for arm in names
    ]


def _follows(arm: Name, masters: Mapping[Name, bool]) -> bool:
    """Whether the next easier arm of the family is mastered; true of the family's first."""
    backends, family, tier = arm
    easier = ((backends, family, below) for below in EASIER[tier])
    return next((masters[below] for below in easier if below in masters), True)
