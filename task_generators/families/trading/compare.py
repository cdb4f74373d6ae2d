"""Two stocks beside each other: which one is cheaper, only their prices tell. Never trained: a suite's own family."""

from typing import Final

from task_generators.families.trading.story import TradeStory, draw_order, has_fresh, opening
from task_generators.families.trading.watch import watch
from task_generators.writing.story import Family, Move, call, result

KINDS: Final = ("cheaper", "more expensive")


def _compare(story: TradeStory) -> None:
    first, second = story.fresh.pop(), story.fresh.pop()
    cheap, dear = sorted((first, second), key=lambda symbol: story.prices[symbol])
    looking = call("get_stock_info", symbol=first), call("get_stock_info", symbol=second)
    story.add(
        "compare",
        *looking,
        tells={"cheap": cheap},
        first=first,
        second=second,
        dear=dear,
        low=story.prices[cheap],
        high=story.prices[dear],
    )
    story.compared = {first: story.steps - 2, second: story.steps - 1}


def _watch_one(story: TradeStory) -> None:
    kind = story.rng.choice(KINDS)
    symbol, _ = _chosen(story, kind)
    story.add("watch_one", call("add_to_watchlist", stock=symbol), kind=kind, symbol=symbol)
    story.compared = {}


def _trade_one(story: TradeStory) -> None:
    kind = story.rng.choice(KINDS)
    symbol, step = _chosen(story, kind)
    order, price = draw_order(story, symbol), result(step, "price")
    story.add("trade_one", order.place(price), names={"price": price}, kind=kind, **order.said)
    story.compared = {}


def _compare_and_watch(story: TradeStory) -> None:
    first, second, kind = story.fresh.pop(), story.fresh.pop(), story.rng.choice(KINDS)
    story.compared = {first: story.steps, second: story.steps + 1}
    symbol, _ = _chosen(story, kind)
    looking = call("get_stock_info", symbol=first), call("get_stock_info", symbol=second)
    watching = call("add_to_watchlist", stock=symbol)
    story.add("compare_and_watch", *looking, watching, first=first, second=second, kind=kind, symbol=symbol)
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


def _watch(story: TradeStory) -> None:
    watch(story)
    story.compared = {}


COMPARE: Final = Family(
    "compare",
    opening,
    (
        Move(_watch, 1, has_fresh),
        Move(_watch_one, 1, _has_compared, weight=3),
        Move(_trade_one, 1, _has_compared, weight=5),
        Move(_compare, 2, _can_compare, weight=4),
        Move(_compare_and_watch, 3, _can_compare, weight=3),
    ),
    unseen=True,
)
