"""Fares in other currencies: what to convert, a result supplies."""

from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.travel.story import CURRENCIES, TravelStory, draw_trip, known
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _convert(story: TravelStory) -> None:
    amount, currency = story.rng.randrange(20, 5000), story.rng.choice(tuple(CURRENCIES))
    phrases = (
        "How much is {amount} US dollars in {currency}?",
        "Convert {amount} US dollars to {currency}.",
        "Change {amount} US dollars into {currency}.",
        "What are {amount} US dollars worth in {currency}?",
    )
    user = story.phrase(phrases, amount=amount, currency=currency)
    story.turn(user, _exchange(CURRENCIES[currency], amount))
    story.fare = None


def _fare(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "What does a flight from {start} to {end} on {day} in {seat} class cost?",
        "How much is {seat} class from {start} to {end} on {day}?",
        "Get the {seat} fare from {start} to {end} on {day}.",
        "Check the price of {seat} class from {start} to {end} on {day}.",
    )
    user = story.phrase(phrases, **trip.words)
    story.fare = story.turn(user, call("get_flight_cost", **trip.arguments))
    story.fresh_currencies = words.some(story.rng, tuple(CURRENCIES), 7)


def _convert_it(story: TravelStory) -> None:
    assert story.fare is not None
    currency = story.fresh_currencies.pop()
    phrases = (
        "How much is that fare in {currency}?",
        "Convert that fare to {currency}.",
        "What is that fare in {currency}?",
        "And what is it in {currency}?",
    )
    fare = result(story.fare, "travel_cost_list", 0)
    story.turn(story.phrase(phrases, currency=currency), _exchange(CURRENCIES[currency], fare))


def _fare_in(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    story.fresh_currencies = words.some(story.rng, tuple(CURRENCIES), 7)
    currency = story.fresh_currencies.pop()
    phrases = (
        "What does {seat} class from {start} to {end} on {day} cost in {currency}?",
        "Get the {seat} fare from {start} to {end} on {day} and convert it to {currency}.",
        "How much is {seat} class from {start} to {end} on {day}, in {currency}?",
        "Check the {seat} fare from {start} to {end} on {day}, then change it to {currency}.",
    )
    story.fare = story.steps
    story.turn(
        story.phrase(phrases, currency=currency, **trip.words),
        call("get_flight_cost", **trip.arguments),
        _exchange(CURRENCIES[currency], result(story.fare, "travel_cost_list", 0)),
    )


def _exchange(currency: str, value: int | From) -> PlannedCall:
    return call("compute_exchange_rate", base_currency="USD", target_currency=currency, value=value)


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
