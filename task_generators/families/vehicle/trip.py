"""Trips: zip codes, distances and places come from results. Distances are never trained: a suite's own family."""

from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.vehicle.story import (
    CarStory,
    fresh_city,
    fresh_road,
    going,
    has_city,
    has_road,
    navigate,
    parked,
    set_climate,
)
from task_generators.writing.story import Family, Move, call, result


def _zip_code(story: CarStory) -> None:
    city, story.place = fresh_city(story), result(story.steps, "zipcode")
    story.add("zip_code", _finding(city), tells={"zip": story.place}, city=city)


def _go_there(story: CarStory) -> None:
    assert story.place is not None
    story.add("go_there", going(story.place), names={"place": story.place})
    story.place = None


def _go_to_city(story: CarStory) -> None:
    city, place = fresh_city(story), result(story.steps, "zipcode")
    story.add("go_to_city", _finding(city), going(place), names={"place": place}, city=city)
    story.place = None


def _find_shop(story: CarStory) -> None:
    story.place, story.shop = result(story.steps, "shopLocation"), True
    story.add("find_shop", call("find_nearest_tire_shop"), tells={"place": story.place})


def _go_to_shop(story: CarStory) -> None:
    place = result(story.steps, "shopLocation")
    story.add("go_to_shop", call("find_nearest_tire_shop"), going(place), names={"place": place})
    story.shop, story.place = True, None


def _forget(story: CarStory) -> None:
    story.place = None
    story.rng.choice((set_climate, navigate))(story)


def _finding(city: str) -> PlannedCall:
    return call("get_zipcode_based_on_city", city=city)


def _has_shop(story: CarStory) -> bool:
    return not story.shop


NAVIGATE: Final = Family(
    "navigate",
    parked,
    (
        Move(_zip_code, 1, has_city),
        Move(_find_shop, 1, _has_shop),
        Move(_go_there, 1, lambda story: story.place is not None, weight=6),
        Move(_go_to_city, 2, has_city, weight=4),
        Move(_go_to_shop, 2, _has_shop),
        Move(_forget, 1),
    ),
)


def _distance(story: CarStory) -> None:
    start, end = fresh_road(story)
    first, second = _both(story.steps)
    steps = _finding(start), _finding(end), call("estimate_distance", cityA=first, cityB=second)
    story.add("distance", *steps, tells=_blanks(story.steps + 2), start=start, end=end)
    story.distance = None


def _two_zip_codes(story: CarStory) -> None:
    start, end = fresh_road(story)
    (first, second), story.distance = _both(story.steps), story.steps
    tells = {"first": first, "second": second}
    story.add("two_zip_codes", _finding(start), _finding(end), tells=tells, start=start, end=end)


def _distance_between(story: CarStory) -> None:
    assert story.distance is not None
    first, second = _both(story.distance)
    asking = call("estimate_distance", cityA=first, cityB=second)
    story.add("distance_between", asking, tells=_blanks(story.steps))
    story.distance = None


def _both(step: int) -> tuple[From, From]:
    """The zip codes that two steps tell, this one and the next."""
    return result(step, "zipcode"), result(step + 1, "zipcode")


def _blanks(step: int) -> dict[str, From]:
    return {"distance": result(step, "distance")}


def _comfort(story: CarStory) -> None:
    story.distance = None
    story.rng.choice((set_climate, navigate))(story)


TRIP: Final = Family(
    "trip",
    parked,
    (
        Move(_comfort, 1),
        Move(_distance_between, 1, lambda story: story.distance is not None, weight=9),
        Move(_two_zip_codes, 2, has_road, weight=3),
        Move(_distance, 3, has_road, weight=4),
    ),
    unseen=True,
)
