"""Trading at the price of the day, which a result supplies."""

from typing import Final

from task_generators.families.trading.story import TradeStory, draw_order, has_fresh, opening
from task_generators.writing.story import Family, Move, call, result


def _trade_at_market(story: TradeStory) -> None:
    order, price = draw_order(story, story.fresh.pop()), result(story.steps, "price")
    looking = call("get_stock_info", symbol=order.symbol)
    story.add("trade_at_market", looking, order.place(price), names={"price": price}, **order.said)
    story.quoted = None


def _quote(story: TradeStory) -> None:
    symbol, price = story.fresh.pop(), result(story.steps, "price")
    step = story.add("quote", call("get_stock_info", symbol=symbol), tells={"price": price}, symbol=symbol)
    story.quoted = step, symbol


def _trade_it(story: TradeStory) -> None:
    assert story.quoted is not None
    step, symbol = story.quoted
    order, price = draw_order(story, symbol), result(step, "price")
    story.add("trade_it", order.place(price), names={"price": price}, **order.said)
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
