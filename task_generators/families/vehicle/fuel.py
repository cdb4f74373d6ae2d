"""Filling the tank: how many gallons, only a conversion's result tells."""

from typing import Final

from task_generators.families.vehicle.story import CarStory, navigate, parked, set_climate
from task_generators.writing.story import Family, Move, call, result


def _convert(story: CarStory) -> None:
    liters = story.rng.randint(3, 18)
    phrases = (
        "How many gallons are {liters} liters?",
        "Convert {liters} liters to gallons.",
        "What is {liters} liters in gallons?",
        "I have {liters} liters of fuel. How many gallons is that?",
    )
    story.gallons = story.turn(story.phrase(phrases, liters=liters), call("liter_to_gallon", liter=liters))


def _fill_it(story: CarStory) -> None:
    assert story.gallons is not None
    phrases = (
        "Fill that much into the tank.",
        "Now add that amount to the fuel tank.",
        "Good, fill the tank with that many gallons.",
        "Put that amount of fuel into the tank.",
    )
    story.turn(story.phrase(phrases), call("fillFuelTank", fuelAmount=result(story.gallons, "gallon")))
    story.gallons = None


def _fill(story: CarStory) -> None:
    liters = story.rng.randint(3, 18)
    phrases = (
        "Convert {liters} liters to gallons and fill that into the tank.",
        "Add {liters} liters of fuel to the tank, which takes gallons.",
        "Fill the tank with {liters} liters, converted to gallons.",
        "Find out how many gallons {liters} liters are and put that into the tank.",
    )
    filling = call("fillFuelTank", fuelAmount=result(story.steps, "gallon"))
    story.turn(story.phrase(phrases, liters=liters), call("liter_to_gallon", liter=liters), filling)
    story.gallons = None


def _forget(story: CarStory) -> None:
    story.gallons = None
    story.rng.choice((set_climate, navigate))(story)


FUEL: Final = Family(
    "fuel",
    parked,
    (
        Move(_convert, 1, lambda story: story.gallons is None),
        Move(_fill_it, 1, lambda story: story.gallons is not None, weight=6),
        Move(_fill, 2, weight=4),
        Move(_forget, 1),
    ),
)
