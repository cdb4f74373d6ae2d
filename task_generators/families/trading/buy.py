"""Trading at the price of the day, which a result supplies."""

from typing import Final

from task_generators.families.trading.story import SIDES, TradeStory, amount_of_shares, has_fresh, opening
from task_generators.writing.story import Family, Move, call, result


def _trade_at_market(story: TradeStory) -> None:
    side, symbol, amount = story.rng.choice(tuple(SIDES)), story.fresh.pop(), amount_of_shares(story.rng)
    phrases = (
        "{Side} {amount} shares of {symbol} at the current price.",
        "Check the price of {symbol} and {side} {amount} shares at it.",
        "Please {side} {amount} {symbol} shares at today's price.",
        "I want to {side} {amount} shares of {symbol} at the current price.",
        "Look up {symbol} and {side} {amount} shares at its price.",
    )
    story.turn(
        story.phrase(phrases, Side=side, side=SIDES[side], amount=amount, symbol=symbol),
        call("get_stock_info", symbol=symbol),
        call("place_order", order_type=side, symbol=symbol, price=result(story.steps, "price"), amount=amount),
    )
    story.quoted = None


def _quote(story: TradeStory) -> None:
    symbol = story.fresh.pop()
    phrases = (
        "What is the price of {symbol}?",
        "How much is {symbol} now?",
        "Show me the stock {symbol}.",
        "Check {symbol} for me.",
    )
    step = story.turn(story.phrase(phrases, symbol=symbol), call("get_stock_info", symbol=symbol))
    story.quoted = step, symbol


def _trade_it(story: TradeStory) -> None:
    assert story.quoted is not None
    (step, symbol), side, amount = story.quoted, story.rng.choice(tuple(SIDES)), amount_of_shares(story.rng)
    phrases = (
        "{Side} {amount} shares of it at that price.",
        "Good, {side} {amount} shares at that price.",
        "Now {side} {amount} shares of that stock at that price.",
        "At that price, {side} {amount} shares of it.",
    )
    user = story.phrase(phrases, Side=side, side=SIDES[side], amount=amount)
    price = result(step, "price")
    story.turn(user, call("place_order", order_type=side, symbol=symbol, price=price, amount=amount))
    story.quoted = None


def _was_quoted(story: TradeStory) -> bool:
    return story.quoted is not None


BUY: Final = Family(
    "buy",
    opening,
    (
        Move(_quote, 1, has_fresh),
        Move(_trade_it, 1, _was_quoted, weight=6),
        Move(_trade_at_market, 2, has_fresh, weight=4),
    ),
)
