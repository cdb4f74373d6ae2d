"""Filling the tank: how many gallons, only a conversion's result tells."""

from typing import Final

from task_generators.families.vehicle.story import CarStory, navigate, parked, set_climate
from task_generators.writing.story import Family, Move, call, result


def _convert(story: CarStory) -> None:
    liters, gallons = story.rng.number(3, 18), result(story.steps, "gallon")
    converting = call("liter_to_gallon", liter=liters)
    story.gallons = story.add("convert", converting, tells={"gallons": gallons}, liters=liters)


def _fill_it(story: CarStory) -> None:
    assert story.gallons is not None
    gallons, level = result(story.gallons, "gallon"), result(story.steps, "fuelLevel")
    story.add("fill_it", call("fillFuelTank", fuelAmount=gallons), names={"gallons": gallons, "level": level})
    story.gallons = None


def _fill(story: CarStory) -> None:
    liters, gallons = story.rng.number(3, 18), result(story.steps, "gallon")
    names = {"gallons": gallons, "level": result(story.steps + 1, "fuelLevel")}
    filling = call("fillFuelTank", fuelAmount=gallons)
    story.add("fill", call("liter_to_gallon", liter=liters), filling, names=names, liters=liters)
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
