"""Locking and unlocking single doors, and making it comfortable."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.vehicle.story import (
    DOORS,
    CarStory,
    climate_and_way,
    draw_climate,
    navigate,
    parked,
    set_climate,
)
from task_generators.writing.story import Family, Move, call

SPOKEN: Final = {"driver": "driver", "passenger": "passenger", "rear_left": "rear left", "rear_right": "rear right"}


def _lock_one(story: CarStory) -> None:
    door = _pick(story, locked=False)
    story.add("lock_one", _turning(door, unlock=False), door=SPOKEN[door])


def _unlock_one(story: CarStory) -> None:
    door = _pick(story, locked=True)
    story.add("unlock_one", _turning(door, unlock=True), door=SPOKEN[door])


def _lock_and_climate(story: CarStory) -> None:
    door, climate = _pick(story, locked=False), draw_climate(story.rng)
    story.add("lock_and_climate", _turning(door, unlock=False), climate.set, door=SPOKEN[door], **climate.said)


def _pick(story: CarStory, *, locked: bool) -> str:
    """Choose a door that is locked, or is not, and turn its lock."""
    door = story.rng.choice([door for door in DOORS if story.locked[door] is locked])
    story.locked[door] = not locked
    return door


def _turning(door: str, *, unlock: bool) -> PlannedCall:
    return call("lockDoors", unlock=unlock, door=[door])


def _has_unlocked(story: CarStory) -> bool:
    return not all(story.locked.values())


def _has_locked(story: CarStory) -> bool:
    return any(story.locked.values())


DOORS_FAMILY: Final = Family(
    "doors",
    parked,
    (
        Move(_lock_one, 1, _has_unlocked, weight=2),
        Move(_unlock_one, 1, _has_locked, weight=2),
        Move(set_climate, 1),
        Move(navigate, 1),
        Move(_lock_and_climate, 2, _has_unlocked, weight=2),
        Move(climate_and_way, 2),
    ),
)

CLIMATE: Final = Family(
    "climate",
    parked,
    (
        Move(set_climate, 1, weight=3),
        Move(navigate, 1),
        Move(_lock_and_climate, 2, _has_unlocked),
        Move(climate_and_way, 2, weight=3),
    ),
)
