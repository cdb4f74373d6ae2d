"""Which arms a student is ready for: tiers, families and pairs open as what they build on is mastered."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from loop.types import ArmKey, Tier

Name = tuple[tuple[str, ...], str, Tier]
"""An arm key as a plain tuple, which hashes faster than the record."""
name: Final[Callable[[ArmKey], Name]] = attrgetter("backends", "family", "tier")
EASIER: Final[Mapping[Tier, tuple[Tier, ...]]] = {tier: tuple(Tier)[:place][::-1] for place, tier in enumerate(Tier)}
"""The tiers below each tier, the nearest first."""
HEIGHT: Final[Mapping[Tier, int]] = {tier: place for place, tier in enumerate(Tier)}
Family = tuple[tuple[str, ...], str]
"""Backends and family."""


@dataclass(frozen=True)
class Start:
    """What is open from the start."""

    tiers: Collection[Tier]
    families: Collection[str] = ()
    """Empty for all."""


def opened(names: Sequence[Name], mastered: Sequence[bool], drawn: Sequence[bool], start: Start) -> list[bool]:
    """Say for every arm whether it is open.

    A tier is open from the start, as the family's first, or behind a mastered one. A family is open from the start, or
    once all before it on the same backends are mastered in their first tiers: before it come those of the start, then
    whatever the generators list first. A pair is open, besides, only when the student has mastered an arm of each of
    its backends alone.
    An arm that nobody draws (frozen, parked, or without weight) keeps nothing behind it closed.

    Args:
        names: all arms, in the generators' order.
        mastered: of each, whether the student has mastered it.
        drawn: of each, whether it may be drawn.
        start: what is open from the start.
    """
    passed = {arm: has or not may for arm, has, may in zip(names, mastered, drawn, strict=True)}
    alone = {backends[0] for backends, _, _ in names if len(backends) == 1}
    ready = {backends[0] for (backends, _, _), has in passed.items() if has and len(backends) == 1}
    waiting, families = alone - ready, _families(passed, start)
    return [
        families[arm[:2]]
        and (arm[2] in start.tiers or _follows(arm, passed))
        and (len(arm[0]) == 1 or waiting.isdisjoint(arm[0]))
        for arm in names
    ]


def _families(passed: Mapping[Name, bool], start: Start) -> Mapping[Family, bool]:
    """Say of every family on its backends whether it is open: those of the start first, then one after the other."""
    first: dict[Family, tuple[int, bool]] = {}
    for (backends, family, tier), has in passed.items():
        known = first.get((backends, family))
        if known is None or HEIGHT[tier] < known[0]:
            first[backends, family] = HEIGHT[tier], has
    if not start.families:
        return dict.fromkeys(first, True)
    reached: dict[tuple[str, ...], bool] = {}
    opened = {}
    for backends, family in sorted(first, key=lambda arm: arm[1] not in start.families):
        opened[backends, family] = family in start.families or reached.get(backends, True)
        reached[backends] = reached.get(backends, True) and first[backends, family][1]
    return opened


def _follows(arm: Name, passed: Mapping[Name, bool]) -> bool:
    """Whether the next easier arm of the family is passed; true of the family's first."""
    backends, family, tier = arm
    easier = ((backends, family, below) for below in EASIER[tier])
    return next((passed[below] for below in easier if below in passed), True)
