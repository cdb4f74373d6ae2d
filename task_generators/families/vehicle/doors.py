"""Locking and unlocking single doors, and making it comfortable."""

from typing import Final

from task_generators.families.vehicle.start import climate_and_way
from task_generators.families.vehicle.story import DOORS, CarStory, navigate, parked, set_climate
from task_generators.writing.story import Family, Move, call

SPOKEN: Final = {"driver": "driver", "passenger": "passenger", "rear_left": "rear left", "rear_right": "rear right"}


def _lock_one(story: CarStory) -> None:
    door = story.rng.choice([door for door in DOORS if not story.locked[door]])
    phrases = (
        "Lock the {door} door.",
        "Please lock the {door} door.",
        "The {door} door should be locked.",
        "Make sure that the {door} door is locked.",
    )
    story.turn(story.phrase(phrases, door=SPOKEN[door]), call("lockDoors", unlock=False, door=[door]))
    story.locked[door] = True


def _unlock_one(story: CarStory) -> None:
    door = story.rng.choice([door for door in DOORS if story.locked[door]])
    phrases = ("Unlock the {door} door.", "Open the lock of the {door} door.", "Please unlock the {door} door again.")
    story.turn(story.phrase(phrases, door=SPOKEN[door]), call("lockDoors", unlock=True, door=[door]))
    story.locked[door] = False


def _lock_and_climate(story: CarStory) -> None:
    """Two things at once."""
    _lock_one(story)
    set_climate(story)
    lock, climate = story.turns.pop(-2), story.turns.pop(-1)
    story.steps -= 2
    story.turn(f"{lock.user} {climate.user}", *lock.plan, *climate.plan)


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
