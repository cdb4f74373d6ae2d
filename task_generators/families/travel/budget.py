"""A budget that a fare sets: the amount comes from a result."""

from typing import Final

from task_generators.families.travel.story import TravelStory, draw_trip, known, tell_token
from task_generators.writing.story import Family, Move, call, result


def _limit(story: TravelStory) -> None:
    limit = story.rng.randrange(300, 9000)
    phrases = (
        "Set my budget to {limit} dollars.",
        "Limit my budget to {limit} dollars.",
        "My budget should be {limit} dollars.",
        "Please set a budget limit of {limit}.",
    )
    user = story.phrase(phrases, limit=limit) + tell_token(story)
    story.turn(user, call("set_budget_limit", access_token=story.token, budget_limit=limit))
    story.fare = None


def _fare(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "What does {seat} class from {start} to {end} on {day} cost?",
        "Get the {seat} fare from {start} to {end} on {day}.",
        "How much is {seat} class from {start} to {end} on {day}?",
        "Check the {seat} fare from {start} to {end} on {day}.",
    )
    story.fare = story.turn(story.phrase(phrases, **trip.words), call("get_flight_cost", **trip.arguments))


def _limit_to_it(story: TravelStory) -> None:
    assert story.fare is not None
    phrases = (
        "Set my budget to that fare.",
        "Limit my budget to that amount.",
        "That fare should be my budget limit.",
        "Now make that fare my budget limit.",
    )
    user = story.phrase(phrases) + tell_token(story)
    limit = result(story.fare, "travel_cost_list", 0)
    story.turn(user, call("set_budget_limit", access_token=story.token, budget_limit=limit))
    story.fare = None


def _limit_to_fare(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "Get the {seat} fare from {start} to {end} on {day} and set my budget to it.",
        "Set my budget to what {seat} class from {start} to {end} on {day} costs.",
        "Check the {seat} fare from {start} to {end} on {day} and make it my budget limit.",
        "Limit my budget to the {seat} fare from {start} to {end} on {day}.",
    )
    limit = result(story.steps, "travel_cost_list", 0)
    story.turn(
        story.phrase(phrases, **trip.words) + tell_token(story),
        call("get_flight_cost", **trip.arguments),
        call("set_budget_limit", access_token=story.token, budget_limit=limit),
    )
    story.fare = None


BUDGET: Final = Family(
    "budget",
    known,
    (
        Move(_limit, 1),
        Move(_fare, 1),
        Move(_limit_to_it, 1, lambda story: story.fare is not None, weight=4),
        Move(_limit_to_fare, 2, weight=3),
    ),
)
