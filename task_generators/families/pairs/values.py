"""What a backend can tell the other one, and what it can be told: one value each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from loop.types import From, PlannedCall
from task_generators.families.files.story import FileStory, noted_tree
from task_generators.families.maths.story import MathStory, blank, factor
from task_generators.families.messages.story import MessageStory
from task_generators.families.messages.story import inside as workspace
from task_generators.families.tickets.story import TicketStory, note
from task_generators.families.tickets.story import inside as ticket_queue
from task_generators.families.trading.story import TradeStory
from task_generators.families.trading.story import opening as market
from task_generators.families.travel.story import TravelStory, known
from task_generators.families.twitter.story import TweetStory
from task_generators.families.twitter.story import inside as network
from task_generators.families.vehicle.story import CarStory, fresh_city, going, has_city, parked
from task_generators.writing import words
from task_generators.writing.draws import Draws
from task_generators.writing.story import Story, call


class LinkedValue(NamedTuple):
    """A value that a call finds: the call, where the result has the value, and what fills the blanks of its name."""

    find: PlannedCall
    path: tuple[str, ...]
    blanks: Mapping[str, Any]


class Passed(NamedTuple):
    """What is done with the value: the call, and what fills the blanks of a sentence about it."""

    tell: PlannedCall
    blanks: Mapping[str, Any]
    also: str = ""
    """What the user has to add."""


class Side(NamedTuple):
    """One backend: where its story begins, what it can tell, and what it can be told."""

    opening: Callable[[Draws], Story]
    find: Callable[[Any], LinkedValue] | None = None
    ready: Callable[[Any], bool] | None = None
    """Whether there is another value to find."""
    tell: Callable[[Any, From], Passed] | None = None
    result: str = ""
    """Where the last call's result has what the user asks for; empty where the user commands."""


def _note(story: FileStory) -> LinkedValue:
    name, _ = story.notes.popitem()
    return LinkedValue(call("cat", file_name=name), ("file_content",), {"note": name})


def _folder(story: FileStory, value: From) -> Passed:
    del story
    return Passed(call("mkdir", dir_name=value), {})


def _sum(story: MathStory) -> LinkedValue:
    a, b = (story.rng.price(460, 900) for _ in range(2))  # a sum that nobody names: numbers that are said are smaller
    while a + b in story.sums:
        b = story.rng.price(460, 900)
    story.sums.add(a + b)
    return LinkedValue(call("add", a=a, b=b), ("result",), {"a": a, "b": b})


def _product(story: MathStory, number: From) -> Passed:
    times = factor(story.rng)
    return Passed(call("multiply", a=number, b=times), {"factor": times})


def _user_id(story: MessageStory) -> LinkedValue:
    name = story.fresh.pop()
    return LinkedValue(call("get_user_id", user=name), ("user_id",), {"name": name})


def _message(story: MessageStory, text: From) -> Passed:
    receiver = story.rng.choice(story.known_ids)
    return Passed(call("send_message", receiver_id=receiver, message=text), {"receiver": receiver})


def _title(story: TicketStory) -> LinkedValue:
    number = story.numbers.pop()
    return LinkedValue(call("get_ticket", ticket_id=number), ("title",), {"number": number})


def _ticket(story: TicketStory, text: From) -> Passed:
    description, rank = note(story.rng, "For somebody"), story.rng.randint(1, 5)
    return Passed(
        call("create_ticket", title=text, description=description, priority=rank), {"note": description, "rank": rank}
    )


def _price(story: TradeStory) -> LinkedValue:
    symbol = story.fresh.pop()
    return LinkedValue(call("get_stock_info", symbol=symbol), ("price",), {"symbol": symbol})


def _deposit(story: TradeStory, number: From) -> Passed:
    del story
    return Passed(call("fund_account", amount=number), {})


def _airport(story: TravelStory) -> LinkedValue:
    city = story.fresh.pop()
    return LinkedValue(call("get_nearest_airport_by_city", location=city), ("nearest_airport",), {"city": city})


def _limit(story: TravelStory, number: From) -> Passed:
    return Passed(story.with_token("set_budget_limit", budget_limit=number), {}, story.tell_token())


def _tweet(story: TweetStory, text: From) -> Passed:
    tag = f"#{story.rng.one(words.TOPICS)}"
    return Passed(call("post_tweet", content=text, tags=[tag]), {"tag": tag})


def _zip_code(story: CarStory) -> LinkedValue:
    city = fresh_city(story)
    return LinkedValue(call("get_zipcode_based_on_city", city=city), ("zipcode",), {"city": city})


def _go(story: CarStory, text: From) -> Passed:
    del story
    return Passed(going(text), {})


SIDES: Final[Mapping[str, Side]] = MappingProxyType(
    {
        "GorillaFileSystem": Side(noted_tree, _note, lambda story: bool(story.notes), _folder),
        "MathAPI": Side(blank, _sum, lambda _: True, _product, "result"),
        "MessageAPI": Side(workspace, _user_id, lambda story: bool(story.fresh), _message),
        "TicketAPI": Side(ticket_queue, _title, lambda story: bool(story.numbers), _ticket),
        "TradingBot": Side(market, _price, lambda story: bool(story.fresh), _deposit),
        "TravelAPI": Side(known, _airport, lambda story: bool(story.fresh), _limit),
        "TwitterAPI": Side(network, None, None, _tweet),
        "VehicleControlAPI": Side(parked, _zip_code, has_city, _go),
    }
)
"""The eight backends."""

NUMBERS: Final = frozenset({"MathAPI", "TradingBot"})
"""Backends that tell numbers; the others tell texts."""

WANTS_NUMBERS: Final = frozenset({"MathAPI", "TradingBot", "TravelAPI"})
"""Backends that are told numbers; the others are told texts."""
