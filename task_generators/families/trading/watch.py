"""The watch list: which stock is the first or the last, only a result tells."""

from typing import Final

from task_generators.families.trading.story import TradeStory, has_fresh, opening
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, call, result


def _opening(rng: Draws) -> TradeStory:
    """The usual market; what is on the list tells one task from another."""
    story = opening(rng)
    story.key = list(story.watched)
    return story


def watch(story: TradeStory) -> None:
    """Ask to watch a stock."""
    symbol = story.fresh.pop()
    story.seen = story.add("watch", call("add_to_watchlist", stock=symbol), symbol=symbol)


def _list(story: TradeStory) -> None:
    stocks = result(story.steps, "watchlist")
    story.seen = story.add("list", call("get_watchlist"), tells={"stocks": stocks})


PLACES: Final = {"first": 0, "second": 1, "third": 2}
"""Never the last: the user may have put it there in so many words."""


def _drop(story: TradeStory) -> None:
    """Remove a place of the list that a result has shown."""
    assert story.seen is not None
    where = _place(story)
    symbol = result(story.seen, "watchlist", PLACES[where])
    story.add("drop", call("remove_stock_from_watchlist", symbol=symbol), names={"symbol": symbol}, where=where)
    story.watched.pop(PLACES[where])
    story.seen = None


def _list_and_drop(story: TradeStory) -> None:
    """Remove a place of the list, which has to be looked at first."""
    where = _place(story)
    symbol = result(story.steps, "watchlist", PLACES[where])
    dropping = call("remove_stock_from_watchlist", symbol=symbol)
    story.add("list_and_drop", call("get_watchlist"), dropping, names={"symbol": symbol}, where=where)
    story.watched.pop(PLACES[where])
    story.seen = None


def _place(story: TradeStory) -> str:
    """Draw a place where a stock stands that the user has not named."""
    return story.rng.choice([place for place, index in PLACES.items() if index < len(story.watched)])


def _is_seen(story: TradeStory) -> bool:
    return story.seen is not None and bool(story.watched)


def _is_hidden(story: TradeStory) -> bool:
    return story.seen is None and bool(story.watched)


WATCH: Final = Family(
    "watch",
    _opening,
    (
        Move(watch, 1, has_fresh),
        Move(_list, 1, lambda story: story.seen is None),
        Move(_drop, 1, _is_seen, weight=2),
        Move(_list_and_drop, 2, _is_hidden, weight=4),
    ),
)
