"""Starting the car: doors, pedal, engine, in the order that the backend wants."""

from typing import Final

from task_generators.families.vehicle.story import DOORS, CarStory, navigate, parked, set_climate
from task_generators.writing.story import Family, Move, call


def _lock(story: CarStory) -> None:
    phrases = (
        "Lock all doors.",
        "Please lock all four doors.",
        "Lock every door of the car.",
        "All doors should be locked.",
    )
    story.turn(story.phrase(phrases), call("lockDoors", unlock=False, door=list(DOORS)))
    story.locked = dict.fromkeys(DOORS, True)


def _press(story: CarStory) -> None:
    phrases = ("Press the brake pedal fully.", "Press the brake all the way down.", "Push the brake pedal down fully.")
    story.turn(story.phrase(phrases), call("pressBrakePedal", pedalPosition=1.0))
    story.pressed = True


def _start(story: CarStory) -> None:
    phrases = ("Start the engine.", "Now start the engine.", "Please start the car's engine.")
    story.turn(story.phrase(phrases), call("startEngine", ignitionMode="START"))
    story.running = True


def _lock_and_press(story: CarStory) -> None:
    phrases = (
        "Lock all doors and press the brake pedal fully.",
        "Lock every door, then press the brake all the way down.",
        "Please lock all four doors and push the brake pedal down fully.",
        "All doors should be locked and the brake pressed fully.",
    )
    pressing = call("pressBrakePedal", pedalPosition=1.0)
    story.turn(story.phrase(phrases), call("lockDoors", unlock=False, door=list(DOORS)), pressing)
    story.locked, story.pressed = dict.fromkeys(DOORS, True), True


def _press_and_start(story: CarStory) -> None:
    phrases = (
        "Press the brake pedal fully and start the engine.",
        "Press the brake all the way down, then start the engine.",
        "Push the brake pedal down fully and start the car.",
        "Start the engine, with the brake pedal pressed fully.",
    )
    starting = call("startEngine", ignitionMode="START")
    story.turn(story.phrase(phrases), call("pressBrakePedal", pedalPosition=1.0), starting)
    story.pressed = story.running = True


def _lock_press_start(story: CarStory) -> None:
    phrases = (
        "Lock all doors, press the brake pedal fully and start the engine.",
        "Lock every door, press the brake all the way down, then start the engine.",
        "Please start the engine. Lock all four doors and press the brake fully before that.",
        "Get the car going: lock all doors, push the brake pedal down fully, start the engine.",
    )
    story.turn(
        story.phrase(phrases),
        call("lockDoors", unlock=False, door=list(DOORS)),
        call("pressBrakePedal", pedalPosition=1.0),
        call("startEngine", ignitionMode="START"),
    )
    story.locked, story.pressed, story.running = dict.fromkeys(DOORS, True), True, True


def climate_and_way(story: CarStory) -> None:
    """Ask for a climate and for a way, in one turn."""
    set_climate(story)
    navigate(story)
    climate, way = story.turns.pop(-2), story.turns.pop(-1)
    story.steps -= 2
    story.turn(f"{climate.user} {way.user}", *climate.plan, *way.plan)


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
