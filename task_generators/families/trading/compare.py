"""Two stocks beside each other: which one is cheaper, only their prices tell."""

from typing import Final

from task_generators.families.trading.story import SIDES, TradeStory, amount_of_shares, opening
from task_generators.writing.story import Family, Move, call, result

KINDS: Final = ("cheaper", "more expensive")


def _compare(story: TradeStory) -> None:
    first, second = story.fresh.pop(), story.fresh.pop()
    phrases = (
        "Which is cheaper, {first} or {second}?",
        "Compare the prices of {first} and {second}.",
        "Check {first} and {second} for me.",
        "What do {first} and {second} cost?",
        "Look up {first} and {second}, I want to compare them.",
    )
    user = story.phrase(phrases, first=first, second=second)
    story.turn(user, call("get_stock_info", symbol=first), call("get_stock_info", symbol=second))
    story.compared = {first: story.steps - 2, second: story.steps - 1}


def _watch_one(story: TradeStory) -> None:
    kind = story.rng.choice(KINDS)
    phrases = (
        "Add the {kind} one to my watchlist.",
        "Put the {kind} one on the watchlist.",
        "I want to watch the {kind} one.",
        "Now add the {kind} stock to my watchlist.",
    )
    symbol, _ = _chosen(story, kind)
    story.turn(story.phrase(phrases, kind=kind), call("add_to_watchlist", stock=symbol))
    story.compared = {}


def _trade_one(story: TradeStory) -> None:
    kind, side, amount = story.rng.choice(KINDS), story.rng.choice(tuple(SIDES)), amount_of_shares(story.rng)
    phrases = (
        "{Side} {amount} shares of the {kind} one at its price.",
        "Now {side} {amount} shares of the {kind} one at that price.",
        "Good, {side} {amount} shares of the {kind} stock at its current price.",
        "Please {side} {amount} of the {kind} one at its price.",
    )
    symbol, step = _chosen(story, kind)
    user = story.phrase(phrases, kind=kind, Side=side, side=SIDES[side], amount=amount)
    price = result(step, "price")
    story.turn(user, call("place_order", order_type=side, symbol=symbol, price=price, amount=amount))
    story.compared = {}


def _compare_and_watch(story: TradeStory) -> None:
    first, second, kind = story.fresh.pop(), story.fresh.pop(), story.rng.choice(KINDS)
    phrases = (
        "Check {first} and {second} and add the {kind} one to my watchlist.",
        "Compare {first} and {second}, then put the {kind} one on the watchlist.",
        "Look up the prices of {first} and {second}. I want to watch the {kind} one.",
        "Add the {kind} of {first} and {second} to my watchlist, check both prices first.",
    )
    story.compared = {first: story.steps, second: story.steps + 1}
    symbol, _ = _chosen(story, kind)
    story.turn(
        story.phrase(phrases, first=first, second=second, kind=kind),
        call("get_stock_info", symbol=first),
        call("get_stock_info", symbol=second),
        call("add_to_watchlist", stock=symbol),
    )
    story.compared = {}


def _chosen(story: TradeStory, kind: str) -> tuple[str, int]:
    """Name the stock that the user means, and the step that showed its price."""
    choose = min if kind == "cheaper" else max
    symbol = choose(story.compared, key=lambda symbol: story.prices[symbol])
    return symbol, story.compared[symbol]


def _can_compare(story: TradeStory) -> bool:
    pair = story.fresh[-2:]
    return len({story.prices[symbol] for symbol in pair}) == len(KINDS)


def _has_compared(story: TradeStory) -> bool:
    return bool(story.compared)


def _add(story: TradeStory) -> None:
    symbol = story.fresh.pop()
    phrases = ("Add {symbol} to my watchlist.", "Put {symbol} on the watchlist.", "I want to watch {symbol} too.")
    story.turn(story.phrase(phrases, symbol=symbol), call("add_to_watchlist", stock=symbol))
    story.compared = {}


COMPARE: Final = Family(
    "compare",
    opening,
    (
        Move(_add, 1, lambda story: bool(story.fresh)),
        Move(_watch_one, 1, _has_compared, weight=3),
        Move(_trade_one, 1, _has_compared, weight=5),
        Move(_compare, 2, _can_compare, weight=4),
        Move(_compare_and_watch, 3, _can_compare, weight=3),
    ),
)
