"""A card's balance in other currencies: the amount comes from a result."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.travel.story import CURRENCIES, TravelStory, draw_trip, known, tell_token
from task_generators.writing.story import Family, Move, call, result


def _balance(story: TravelStory) -> None:
    phrases = (
        "What is the balance of card {card}?",
        "How much is on card {card}?",
        "Check the balance on card {card}.",
        "Show me the balance of card {card}.",
    )
    user = story.phrase(phrases, card=story.card) + tell_token(story)
    story.fare = story.turn(user, _checking(story))
    story.checked = True


def _convert_it(story: TravelStory) -> None:
    assert story.fare is not None
    currency = story.fresh_currencies.pop()
    phrases = (
        "How much is that in {currency}?",
        "Convert that balance to {currency}.",
        "What is that balance in {currency}?",
        "And how much is it in {currency}?",
    )
    user = story.phrase(phrases, currency=currency)
    story.turn(user, _exchanging(CURRENCIES[currency], story.fare))


def _balance_in(story: TravelStory) -> None:
    currency = story.fresh_currencies.pop()
    phrases = (
        "Check the balance of card {card} and convert it from US dollars to {currency}.",
        "What is the balance of card {card} in {currency}?",
        "How many {currency} are the dollars on card {card}? Check its balance first.",
        "Get the balance of card {card}, then change that amount of US dollars into {currency}.",
    )
    user = story.phrase(phrases, card=story.card, currency=currency) + tell_token(story)
    story.fare = story.steps
    story.turn(user, _checking(story), _exchanging(CURRENCIES[currency], story.fare))
    story.checked = True


def _book(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "Book {seat} class from {start} to {end} on {day} with card {card}.",
        "Get a ticket from {start} to {end} on {day} in {seat} class, paid with card {card}.",
        "Please book a flight from {start} to {end} on {day}, {seat} class, with card {card}.",
    )
    user = story.phrase(phrases, card=story.card, **trip.words) + tell_token(story)
    story.turn(user, call("book_flight", access_token=story.token, card_id=story.card, **trip.arguments))
    story.checked, story.fare = False, None


def _checking(story: TravelStory) -> PlannedCall:
    return call("get_credit_card_balance", access_token=story.token, card_id=story.card)


def _exchanging(currency: str, step: int) -> PlannedCall:
    value = result(step, "card_balance")
    return call("compute_exchange_rate", base_currency="USD", target_currency=currency, value=value)


def _is_unchecked(story: TravelStory) -> bool:
    return not story.checked


def _can_check_and_convert(story: TravelStory) -> bool:
    return not story.checked and bool(story.fresh_currencies)


def _can_convert(story: TravelStory) -> bool:
    return story.fare is not None and bool(story.fresh_currencies)


WALLET: Final = Family(
    "wallet",
    known,
    (
        Move(_balance, 1, _is_unchecked),
        Move(_convert_it, 1, _can_convert, weight=2),
        Move(_book, 1, lambda story: story.checked),
        Move(_balance_in, 2, _can_check_and_convert, weight=3),
    ),
)
