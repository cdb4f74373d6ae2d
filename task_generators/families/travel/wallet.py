"""A card's balance in other currencies: the amount comes from a result."""

from typing import Final

from task_generators.families.travel.booking import book
from task_generators.families.travel.money import exchange, exchanged
from task_generators.families.travel.story import TravelStory, known
from task_generators.writing.story import Family, Move, result


def ask_balance(story: TravelStory) -> None:
    """Ask how much is on the card."""
    balance = result(story.steps, "card_balance")
    checking = story.with_token("get_credit_card_balance", card_id=story.card)
    story.fare = story.add("balance", checking, tells={"balance": balance}, card=story.card)
    story.checked = True


def _convert_it(story: TravelStory) -> None:
    assert story.fare is not None
    currency, balance = story.fresh_currencies.pop(), result(story.fare, "card_balance")
    story.add("convert_balance", exchange(currency, balance), tells=exchanged(story.steps), currency=currency)


def _balance_in(story: TravelStory) -> None:
    currency, balance = story.fresh_currencies.pop(), result(story.steps, "card_balance")
    story.fare = story.steps
    checking = story.with_token("get_credit_card_balance", card_id=story.card)
    tells = {**exchanged(story.steps + 1), "balance": balance}
    story.add("balance_in", checking, exchange(currency, balance), tells=tells, card=story.card, currency=currency)
    story.checked = True


def _book(story: TravelStory) -> None:
    book(story)
    story.fare = None


def _can_check_and_convert(story: TravelStory) -> bool:
    return not story.checked and bool(story.fresh_currencies)


def _can_convert(story: TravelStory) -> bool:
    return story.fare is not None and bool(story.fresh_currencies)


WALLET: Final = Family(
    "wallet",
    known,
    (
        Move(ask_balance, 1, lambda story: not story.checked),
        Move(_convert_it, 1, _can_convert, weight=2),
        Move(_book, 1, lambda story: story.checked),
        Move(_balance_in, 2, _can_check_and_convert, weight=3),
    ),
)
