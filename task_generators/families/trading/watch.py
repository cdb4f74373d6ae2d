"""The watch list: which stock is the first or the last, only a result tells."""

from random import Random
from typing import Final

from task_generators.families.trading.story import TradeStory, has_fresh, opening
from task_generators.writing.story import Family, Move, call, result


def _opening(rng: Random) -> TradeStory:
    """The usual market; what is on the list tells one task from another."""
    story = opening(rng)
    story.key = list(story.watched)
    return story


def _add(story: TradeStory) -> None:
    symbol = story.fresh.pop()
    phrases = (
        "Add {symbol} to my watchlist.",
        "Put {symbol} on the watchlist.",
        "I want to watch {symbol}.",
        "Please add the stock {symbol} to the watchlist.",
    )
    story.seen = story.turn(story.phrase(phrases, symbol=symbol), call("add_to_watchlist", stock=symbol))


def _list(story: TradeStory) -> None:
    phrases = (
        "What is on my watchlist?",
        "Show me my watchlist.",
        "Which stocks do I watch?",
        "Let me see the watchlist.",
    )
    story.seen = story.turn(story.phrase(phrases), call("get_watchlist"))


PLACES: Final = {"first": 0, "second": 1, "third": 2}
"""Never the last: the user may have put it there in so many words."""


def _drop(story: TradeStory) -> None:
    """Remove a place of the list that a result has shown."""
    assert story.seen is not None
    where = _place(story)
    phrases = (
        "Remove the {where} one from it.",
        "Take the {where} stock off the list.",
        "Now remove the {where} stock from the watchlist.",
        "I no longer want to watch the {where} one.",
    )
    symbol = result(story.seen, "watchlist", PLACES[where])
    story.turn(story.phrase(phrases, where=where), call("remove_stock_from_watchlist", symbol=symbol))
    story.watched.pop(PLACES[where])
    story.seen = None


def _list_and_drop(story: TradeStory) -> None:
    """Remove a place of the list, which has to be looked at first."""
    where = _place(story)
    phrases = (
        "Open my watchlist and remove the {where} stock.",
        "Look at my watchlist and remove the {where} stock.",
        "See what is on my watchlist, then take the {where} stock off it.",
        "Check the watchlist and drop the {where} stock from it.",
    )
    symbol = result(story.steps, "watchlist", PLACES[where])
    story.turn(
        story.phrase(phrases, where=where),
        call("get_watchlist"),
        call("remove_stock_from_watchlist", symbol=symbol),
    )
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
        Move(_add, 1, has_fresh),
        Move(_list, 1, lambda story: story.seen is None),
        Move(_drop, 1, _is_seen, weight=2),
        Move(_list_and_drop, 2, _is_hidden, weight=4),
    ),
)
