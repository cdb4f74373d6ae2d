"""Fares in other currencies: what to convert, a result supplies."""

from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.travel.budget import ask_fare
from task_generators.families.travel.story import ALL_MONEYS, CURRENCIES, MONEYS, TravelStory, draw_trip, known
from task_generators.writing.story import Family, Move, call, result


def _convert(story: TravelStory) -> None:
    amount, currency = story.rng.number(20, 5000), story.rng.one(MONEYS)
    converting = exchange(currency, amount)
    story.add("convert", converting, tells=exchanged(story.steps), amount=amount, currency=currency)
    story.fare = None


def _fare(story: TravelStory) -> None:
    ask_fare(story)
    story.fresh_currencies = story.rng.some(MONEYS, ALL_MONEYS)


def _convert_it(story: TravelStory) -> None:
    assert story.fare is not None
    currency, fare = story.fresh_currencies.pop(), result(story.fare, "travel_cost_list", 0)
    story.add("convert_fare", exchange(currency, fare), tells=exchanged(story.steps), currency=currency)


def _fare_in(story: TravelStory) -> None:
    trip, fare = draw_trip(story.rng), result(story.steps, "travel_cost_list", 0)
    story.fresh_currencies = story.rng.some(MONEYS, ALL_MONEYS)
    currency, story.fare = story.fresh_currencies.pop(), story.steps
    steps = call("get_flight_cost", **trip.arguments), exchange(currency, fare)
    tells = {**exchanged(story.steps + 1), "fare": fare}
    story.add("fare_in", *steps, tells=tells, currency=currency, **trip.said)


def exchange(currency: str, value: int | From) -> PlannedCall:
    """Plan a conversion from US dollars."""
    return call("compute_exchange_rate", base_currency="USD", target_currency=CURRENCIES[currency], value=value)


def exchanged(step: int) -> dict[str, From]:
    """What a conversion tells."""
    return {"value": result(step, "exchanged_value")}


SPARE: Final = 3
"""A fare is converted to so many currencies fewer than there are: the user would not ask on and on."""

MONEY: Final = Family(
    "money",
    known,
    (
        Move(_convert, 1),
        Move(_fare, 1),
        Move(_convert_it, 1, lambda story: story.fare is not None and len(story.fresh_currencies) >= SPARE, weight=3),
        Move(_fare_in, 2, weight=4),
    ),
)
