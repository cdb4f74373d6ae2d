"""Placing orders, and dealing with them by the number that a result supplies."""

from typing import Final

from loop.types import From
from task_generators.families.trading.story import TradeStory, draw_order, has_fresh, opening
from task_generators.writing.story import Family, Move, call, result


def _place(story: TradeStory) -> None:
    order, number = draw_order(story, story.fresh.pop()), result(story.steps, "order_id")
    story.placed = story.add("place", order.place(), names={"order": number}, **order.said)
    story.order, story.shown = order, False


def _place_and_show(story: TradeStory) -> None:
    order, number = draw_order(story, story.fresh.pop()), result(story.steps, "order_id")
    story.placed = story.steps
    looking = call("get_order_details", order_id=number)
    story.add("place_and_show", order.place(), looking, tells=_details(story.steps + 1), **order.said)
    story.order, story.shown = order, True


def _show(story: TradeStory) -> None:
    assert story.placed is not None
    assert story.order is not None
    looking = call("get_order_details", order_id=result(story.placed, "order_id"))
    story.add("show", looking, tells=_details(story.steps), **story.order.said)
    story.shown = True


def _cancel(story: TradeStory) -> None:
    assert story.placed is not None
    number = result(story.placed, "order_id")
    story.add("cancel", call("cancel_order", order_id=number), names={"order": number})
    story.placed = None


def _details(step: int) -> dict[str, From]:
    """What the details of an order are, beside what it is called."""
    return {name: result(step, name) for name in ("amount", "symbol", "price", "status")}


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
