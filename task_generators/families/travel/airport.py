"""Fares between cities: the airports that the fare needs come from results."""

from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.travel.story import CLASSES, HUBS, TOWNS, TravelStory, known
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _nearest(story: TravelStory) -> None:
    city = story.fresh.pop()
    phrases = (
        "Which airport is nearest to {city}?",
        "Find the nearest airport to {city}.",
        "What is the closest airport to {city}?",
        "Tell me the airport nearest to {city}.",
    )
    step = story.turn(story.phrase(phrases, city=city), call("get_nearest_airport_by_city", location=city))
    story.airport = step, city


def _fly_there(story: TravelStory) -> None:
    """Ask for the fare to the airport of the last turn."""
    assert story.airport is not None
    step, _ = story.airport
    start, seat, day = story.rng.choice(story.spoken), story.rng.choice(CLASSES), words.day(story.rng)
    phrases = (
        "How much is a flight from {start} to that airport on {day} in {seat} class?",
        "What does {seat} class cost from {start} to there on {day}?",
        "And what is the {seat} fare from {start} to that airport on {day}?",
        "Get the cost of a flight from {start} to that airport on {day} in {seat} class.",
    )
    user = story.phrase(phrases, start=start, day=day, seat=seat)
    story.turn(user, _cost(start, result(step, "nearest_airport"), day, seat))
    story.airport = None


def _fare_to_city(story: TravelStory) -> None:
    city = _take_town(story)
    start, seat, day = story.rng.choice(story.spoken), story.rng.choice(CLASSES), words.day(story.rng)
    phrases = (
        "What does {seat} class cost from {start} to the airport nearest to {city} on {day}?",
        "Find the nearest airport to {city} and the {seat} fare from {start} to it on {day}.",
        "How much is a flight on {day} from {start} to the airport nearest to {city} in {seat} class?",
        "Get the airport nearest to {city}, then the cost of {seat} class from {start} to it on {day}.",
    )
    story.turn(
        story.phrase(phrases, start=start, city=city, day=day, seat=seat),
        call("get_nearest_airport_by_city", location=city),
        _cost(start, result(story.steps, "nearest_airport"), day, seat),
    )
    story.airport = None


def _fare_between_cities(story: TravelStory) -> None:
    city = _take_town(story)
    start = story.rng.choice(_starts(story, city))
    story.fresh.remove(start)
    seat, day, step = story.rng.choice(CLASSES), words.day(story.rng), story.steps
    phrases = (
        "Find the nearest airports to {start} and {city}, then the {seat} fare between them on {day}.",
        "What does {seat} class cost on {day} from the airport nearest to {start} to the one nearest to {city}?",
        "Get the airports nearest to {start} and {city}, and the cost of {seat} class from one to the other on {day}.",
        "How much is {seat} class on {day} from the nearest airport of {start} to the nearest airport of {city}?",
    )
    story.turn(
        story.phrase(phrases, start=start, city=city, day=day, seat=seat),
        call("get_nearest_airport_by_city", location=start),
        call("get_nearest_airport_by_city", location=city),
        _cost(result(step, "nearest_airport"), result(step + 1, "nearest_airport"), day, seat),
    )
    story.airport = None


def _cost(start: str | From, end: str | From, day: str, seat: str) -> PlannedCall:
    return call("get_flight_cost", travel_from=start, travel_to=end, travel_date=day, travel_class=seat)


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
