"""Which arms a student is ready for: tiers and pairs open as what they build on is mastered."""

from collections.abc import Collection, Mapping, Sequence

from loop.types import ArmKey, Tier

Name = tuple[tuple[str, ...], str, Tier]
"""An arm key as a plain tuple, which hashes faster than the record."""
ORDER: Mapping[Tier, int] = {tier: place for place, tier in enumerate(Tier)}


def name(key: ArmKey) -> Name:
    """Spell a key as a plain tuple."""
    return key.backends, key.family, key.tier


def opened(names: Sequence[Name], mastered: Sequence[bool], free: Collection[Tier]) -> list[bool]:
    """Say for every arm whether it is open.

    A tier is open where it is in `free`, is the family's first, or follows a mastered one. A pair is open, besides,
    only when the student has mastered an arm of each of its backends alone (where there is one).
    """
    masters = dict(zip(names, mastered, strict=True))
    alone = {backends[0] for backends, _, _ in names if len(backends) == 1}
    ready = {arm[0][0] for arm, is_mastered in masters.items() if is_mastered and len(arm[0]) == 1}
    easier = _easier(names)
    return [
        (arm[2] in free or arm not in easier or masters[easier[arm]])
        and (len(arm[0]) == 1 or all(backend in ready or backend not in alone for backend in arm[0]))
        for arm in names
    ]


def _easier(names: Sequence[Name]) -> dict[Name, Name]:
    """Find for every arm the next easier one of its family, where there is one."""
    easier: dict[Name, Name] = {}
    last: dict[tuple[tuple[str, ...], str], Name] = {}
    for arm in sorted(names, key=lambda arm: ORDER[arm[2]]):
        if arm[:2] in last:
            easier[arm] = last[arm[:2]]
        last[arm[:2]] = arm
    return easier
