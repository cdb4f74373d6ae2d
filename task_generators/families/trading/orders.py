"""Placing orders, and dealing with them by the number that a result supplies."""

from typing import Final

from task_generators.families.trading.story import SIDES, TradeStory, amount_of_shares, has_fresh, opening
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _order(story: TradeStory) -> tuple[str, str, int, float]:
    side, symbol = story.rng.choice(tuple(SIDES)), story.fresh.pop()
    return side, symbol, amount_of_shares(story.rng), words.price(story.rng)


def _place(story: TradeStory) -> None:
    side, symbol, amount, price = _order(story)
    phrases = (
        "{Side} {amount} shares of {symbol} at {price} dollars each.",
        "Place an order to {side} {amount} shares of {symbol} at {price}.",
        "I want to {side} {amount} {symbol} shares at a price of {price}.",
        "Please {side} {amount} shares of {symbol}, price {price}.",
    )
    user = story.phrase(phrases, Side=side, side=SIDES[side], amount=amount, symbol=symbol, price=price)
    story.placed = story.turn(user, call("place_order", order_type=side, symbol=symbol, price=price, amount=amount))
    story.shown = False


def _place_and_show(story: TradeStory) -> None:
    side, symbol, amount, price = _order(story)
    phrases = (
        "{Side} {amount} shares of {symbol} at {price} and show me the order's details.",
        "Place an order to {side} {amount} {symbol} at {price}, then show me its details.",
        "Please {side} {amount} shares of {symbol} at {price}. Then get the details of the order.",
        "{Side} {amount} {symbol} shares, price {price}, and check the details of the new order.",
    )
    story.placed = story.steps
    story.turn(
        story.phrase(phrases, Side=side, side=SIDES[side], amount=amount, symbol=symbol, price=price),
        call("place_order", order_type=side, symbol=symbol, price=price, amount=amount),
        call("get_order_details", order_id=result(story.placed, "order_id")),
    )
    story.shown = True


def _show(story: TradeStory) -> None:
    assert story.placed is not None
    phrases = (
        "Show me the details of that order.",
        "What are the details of this order?",
        "Get the details of the order I just placed.",
        "Let me see the details of that order.",
    )
    story.turn(story.phrase(phrases), call("get_order_details", order_id=result(story.placed, "order_id")))
    story.shown = True


def _cancel(story: TradeStory) -> None:
    assert story.placed is not None
    phrases = (
        "Cancel that order.",
        "I changed my mind, cancel this order.",
        "Please cancel the order I just placed.",
        "Cancel it again, that order was a mistake.",
    )
    story.turn(story.phrase(phrases), call("cancel_order", order_id=result(story.placed, "order_id")))
    story.placed = None


def _is_placed(story: TradeStory) -> bool:
    return story.placed is not None


def _is_unseen(story: TradeStory) -> bool:
    return story.placed is not None and not story.shown


ORDERS: Final = Family(
    "orders",
    opening,
    (
        Move(_place, 1, has_fresh),
        Move(_show, 1, _is_unseen, weight=2),
        Move(_cancel, 1, _is_placed, weight=2),
        Move(_place_and_show, 2, has_fresh, weight=2),
    ),
)
