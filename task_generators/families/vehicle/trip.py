"""Trips: zip codes, distances and places come from results."""

from typing import Final

from task_generators.families.vehicle.story import (
    CarStory,
    fresh_city,
    fresh_road,
    has_city,
    has_road,
    navigate,
    parked,
    set_climate,
)
from task_generators.writing.story import Family, Move, call, result


def _zip_code(story: CarStory) -> None:
    city = fresh_city(story)
    phrases = (
        "What is the zip code of {city}?",
        "Look up the zip code of {city}.",
        "Get the zip code for {city}.",
        "Find out which zip code {city} has.",
    )
    step = story.turn(story.phrase(phrases, city=city), call("get_zipcode_based_on_city", city=city))
    story.place = result(step, "zipcode")


def _go_there(story: CarStory) -> None:
    assert story.place is not None
    phrases = ("Navigate there.", "Set the navigation to it.", "Take me there.", "Now start the navigation to that.")
    story.turn(story.phrase(phrases), call("set_navigation", destination=story.place))
    story.place = None


def _go_to_city(story: CarStory) -> None:
    city = fresh_city(story)
    phrases = (
        "Look up the zip code of {city} and navigate to it.",
        "Get the zip code for {city}, then set the navigation to that zip code.",
        "Navigate to the zip code of {city}.",
        "Find the zip code of {city} and use it as the destination.",
    )
    going = call("set_navigation", destination=result(story.steps, "zipcode"))
    story.turn(story.phrase(phrases, city=city), call("get_zipcode_based_on_city", city=city), going)
    story.place = None


def _find_shop(story: CarStory) -> None:
    phrases = (
        "Where is the nearest tire shop?",
        "Find the nearest tire shop.",
        "Look for a tire shop close by.",
        "I need a tire shop. Which one is the nearest?",
    )
    story.place = result(story.turn(story.phrase(phrases), call("find_nearest_tire_shop")), "shopLocation")
    story.shop = True


def _go_to_shop(story: CarStory) -> None:
    phrases = (
        "Find the nearest tire shop and navigate to it.",
        "Take me to the nearest tire shop.",
        "Look for the nearest tire shop, then set the navigation to it.",
        "Navigate to the nearest tire shop.",
    )
    going = call("set_navigation", destination=result(story.steps, "shopLocation"))
    story.turn(story.phrase(phrases), call("find_nearest_tire_shop"), going)
    story.shop, story.place = True, None


def _forget(story: CarStory) -> None:
    story.place = None
    story.rng.choice((set_climate, navigate))(story)


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
    phrases = (
        "How far is it from {start} to {end}?",
        "Estimate the distance between {start} and {end}.",
        "What is the distance from {start} to {end}? Use their zip codes.",
        "Look up the zip codes of {start} and {end} and estimate the distance between them.",
    )
    first, second = result(story.steps, "zipcode"), result(story.steps + 1, "zipcode")
    story.distance = None
    story.turn(
        story.phrase(phrases, start=start, end=end),
        call("get_zipcode_based_on_city", city=start),
        call("get_zipcode_based_on_city", city=end),
        call("estimate_distance", cityA=first, cityB=second),
    )


def _two_zip_codes(story: CarStory) -> None:
    start, end = fresh_road(story)
    phrases = (
        "What are the zip codes of {start} and {end}?",
        "Look up the zip codes of {start} and {end}.",
        "Get the zip codes for {start} and {end}.",
        "Find the zip code of {start} and the one of {end}.",
    )
    first = story.steps
    story.turn(
        story.phrase(phrases, start=start, end=end),
        call("get_zipcode_based_on_city", city=start),
        call("get_zipcode_based_on_city", city=end),
    )
    story.distance = first


def _distance_between(story: CarStory) -> None:
    assert story.distance is not None
    phrases = (
        "How far is it between them?",
        "Estimate the distance between the two.",
        "And what is the distance between these zip codes?",
        "Now estimate the distance between those two.",
    )
    first, second = result(story.distance, "zipcode"), result(story.distance + 1, "zipcode")
    story.turn(story.phrase(phrases), call("estimate_distance", cityA=first, cityB=second))
    story.distance = None


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
)
