"""Fares between cities: the airports that the fare needs come from results."""

from typing import Any, Final

from loop.types import From, PlannedCall
from task_generators.families.travel.story import CLASSES, HUBS, TOWNS, TravelStory, known
from task_generators.writing.story import Family, Move, call, result


def _nearest(story: TravelStory) -> None:
    city, airport = story.fresh.pop(), result(story.steps, "nearest_airport")
    story.airport = story.add("nearest", _finding(city), tells={"airport": airport}, city=city), city


def _fly_there(story: TravelStory) -> None:
    """Ask for the fare to the airport of the last turn."""
    assert story.airport is not None
    step, _ = story.airport
    start, when = story.rng.choice(story.spoken), _when(story)
    asking = _cost(start, result(step, "nearest_airport"), **when)
    story.add("fly_there", asking, tells=_blanks(story.steps), start=start, **when)
    story.airport = None


def _fare_to_city(story: TravelStory) -> None:
    city, airport = _take_town(story), result(story.steps, "nearest_airport")
    start, when = story.rng.choice(story.spoken), _when(story)
    tells = {"airport": airport, **_blanks(story.steps + 1)}
    asking = _cost(start, airport, **when)
    story.add("fare_to_city", _finding(city), asking, tells=tells, start=start, city=city, **when)
    story.airport = None


def _fare_between_cities(story: TravelStory) -> None:
    city = _take_town(story)
    start, when = story.rng.choice(_starts(story, city)), _when(story)
    story.fresh.remove(start)
    first, second = result(story.steps, "nearest_airport"), result(story.steps + 1, "nearest_airport")
    finding = _finding(start), _finding(city)
    tells = {"first": first, "second": second, **_blanks(story.steps + 2)}
    story.add(
        "fare_between_cities", *finding, _cost(first, second, **when), tells=tells, start=start, city=city, **when
    )
    story.airport = None


def _when(story: TravelStory) -> dict[str, Any]:
    """Draw a day and a class."""
    return {"day": story.rng.day(), "seat": story.rng.choice(CLASSES)}


def _finding(city: str) -> PlannedCall:
    return call("get_nearest_airport_by_city", location=city)


def _cost(start: str | From, end: str | From, day: str, seat: str) -> PlannedCall:
    return call("get_flight_cost", travel_from=start, travel_to=end, travel_date=day, travel_class=seat)


def _blanks(step: int) -> dict[str, From]:
    return {"fare": result(step, "travel_cost_list", 0)}


def _take_town(story: TravelStory) -> str:
    city = next(city for city in story.fresh if _starts(story, city))
    story.fresh.remove(city)
    return city


def _starts(story: TravelStory, city: str) -> list[str]:
    """Cities that nobody has asked about and that have flights to this one."""
    towns = tuple(TOWNS)
    earlier = {*HUBS, *towns[: towns.index(city)]} if city in TOWNS else set()
    return [start for start in story.fresh if start in earlier]


def _has_town(story: TravelStory) -> bool:
    return any(_starts(story, city) for city in story.fresh)


def _can_fly_there(story: TravelStory) -> bool:
    return story.airport is not None and story.airport[1] in TOWNS


AIRPORT: Final = Family(
    "airport",
    known,
    (
        Move(_nearest, 1, lambda story: bool(story.fresh)),
        Move(_fly_there, 1, _can_fly_there, weight=6),
        Move(_fare_to_city, 2, _has_town, weight=2),
        Move(_fare_between_cities, 3, _has_town, weight=2),
    ),
)
