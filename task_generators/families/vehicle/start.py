"""Starting the car: doors, pedal, engine, in the order that the backend wants."""

from typing import Final

from task_generators.families.vehicle.story import DOORS, CarStory, climate_and_way, navigate, parked, set_climate
from task_generators.writing.story import Family, Move, call

LOCK: Final = call("lockDoors", unlock=False, door=list(DOORS))
PRESS: Final = call("pressBrakePedal", pedalPosition=1.0)
IGNITE: Final = call("startEngine", ignitionMode="START")


def _lock(story: CarStory) -> None:
    story.add("lock", LOCK)
    story.locked = dict.fromkeys(DOORS, True)


def _press(story: CarStory) -> None:
    story.add("press", PRESS)
    story.pressed = True


def _start(story: CarStory) -> None:
    story.add("start", IGNITE)
    story.running = True


def _lock_and_press(story: CarStory) -> None:
    story.add("lock_and_press", LOCK, PRESS)
    story.locked, story.pressed = dict.fromkeys(DOORS, True), True


def _press_and_start(story: CarStory) -> None:
    story.add("press_and_start", PRESS, IGNITE)
    story.pressed = story.running = True


def _lock_press_start(story: CarStory) -> None:
    story.add("lock_press_start", LOCK, PRESS, IGNITE)
    story.locked, story.pressed, story.running = dict.fromkeys(DOORS, True), True, True


def _is_unlocked(story: CarStory) -> bool:
    return not story.locked["driver"]


def _can_press(story: CarStory) -> bool:
    return story.locked["driver"] and not story.pressed


def _can_start(story: CarStory) -> bool:
    return story.locked["driver"] and story.pressed and not story.running


START: Final = Family(
    "start",
    parked,
    (
        Move(set_climate, 1),
        Move(navigate, 1),
        Move(_lock, 1, _is_unlocked),
        Move(_press, 1, _can_press, weight=3),
        Move(_start, 1, _can_start, weight=6),
        Move(climate_and_way, 2),
        Move(_lock_and_press, 2, _is_unlocked, weight=2),
        Move(_press_and_start, 2, _can_press, weight=6),
        Move(_lock_press_start, 3, _is_unlocked, weight=5),
    ),
)
