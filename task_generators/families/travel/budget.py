"""A budget that a fare sets: the amount comes from a result. Never trained: a suite's own family."""

from typing import Final

from task_generators.families.travel.story import TravelStory, draw_trip, known
from task_generators.writing.story import Family, Move, call, result


def limit(story: TravelStory) -> None:
    """Ask for a budget."""
    most = story.rng.number(300, 9000)
    story.add("limit", story.with_token("set_budget_limit", budget_limit=most), limit=most)
    story.fare = None


def ask_fare(story: TravelStory) -> None:
    """Ask for a fare."""
    trip, fare = draw_trip(story.rng), result(story.steps, "travel_cost_list", 0)
    story.fare = story.add("fare", call("get_flight_cost", **trip.arguments), tells={"fare": fare}, **trip.said)


def _limit_to_it(story: TravelStory) -> None:
    assert story.fare is not None
    fare = result(story.fare, "travel_cost_list", 0)
    story.add("limit_to_it", story.with_token("set_budget_limit", budget_limit=fare), names={"fare": fare})
    story.fare = None


def _limit_to_fare(story: TravelStory) -> None:
    trip, fare = draw_trip(story.rng), result(story.steps, "travel_cost_list", 0)
    limiting = story.with_token("set_budget_limit", budget_limit=fare)
    asking = call("get_flight_cost", **trip.arguments)
    story.add("limit_to_fare", asking, limiting, names={"fare": fare}, **trip.said)
    story.fare = None


BUDGET: Final = Family(
    "budget",
    known,
    (
        Move(limit, 1),
        Move(ask_fare, 1),
        Move(_limit_to_it, 1, lambda story: story.fare is not None, weight=4),
        Move(_limit_to_fare, 2, weight=3),
    ),
    unseen=True,
)
