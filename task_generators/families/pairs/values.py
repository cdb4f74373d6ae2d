"""What a backend can tell the other one, and what it can be told: one value each."""

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from loop.types import From, PlannedCall
from task_generators.families.files.story import FileStory, noted_tree
from task_generators.families.maths.story import MathStory, blank, value
from task_generators.families.messages.story import MessageStory
from task_generators.families.messages.story import inside as workspace
from task_generators.families.tickets.story import TicketStory
from task_generators.families.tickets.story import inside as ticket_queue
from task_generators.families.trading.story import TradeStory
from task_generators.families.trading.story import opening as market
from task_generators.families.travel.story import TravelStory, known, tell_token
from task_generators.families.twitter.story import TweetStory
from task_generators.families.twitter.story import inside as network
from task_generators.families.vehicle.story import CarStory, fresh_city, has_city, parked
from task_generators.writing import words
from task_generators.writing.story import Story, call


class Found(NamedTuple):
    """A value that a call finds: how the user calls it, the call, and where the result has it."""

    words: str
    find: PlannedCall
    path: tuple[str, ...]


class Told(NamedTuple):
    """What is done with the value: how the user asks for it, and the call."""

    words: str
    tell: PlannedCall


class Side(NamedTuple):
    """One backend: where its story begins, what it can tell, and what it can be told."""

    opening: Callable[[Random], Story]
    find: Callable[[Any], Found] | None = None
    ready: Callable[[Any], bool] | None = None
    """Whether there is another value to find."""
    tell: Callable[[Any, From], Told] | None = None


def _note(story: FileStory) -> Found:
    note, _ = story.notes.popitem()
    return Found(f"what the file {note} says", call("cat", file_name=note), ("file_content",))


def _folder(story: FileStory, value: From) -> Told:
    del story
    return Told("make a folder with that name", call("mkdir", dir_name=value))


def _sum(story: MathStory) -> Found:
    a, b = value(story.rng), value(story.rng)
    return Found(f"the sum of {a} and {b}", call("add", a=a, b=b), ("result",))


def _product(story: MathStory, number: From) -> Told:
    factor = story.rng.randint(3, 99)
    return Told(f"multiply that by {factor}", call("multiply", a=number, b=factor))


def _user_id(story: MessageStory) -> Found:
    name = story.fresh.pop()
    return Found(f"the user id of {name}", call("get_user_id", user=name), ("user_id",))


def _message(story: MessageStory, text: From) -> Told:
    receiver = story.rng.choice(story.known_ids)
    return Told(f"send exactly that to user {receiver}", call("send_message", receiver_id=receiver, message=text))


def _title(story: TicketStory) -> Found:
    number = story.numbers.pop()
    return Found(f"the title of ticket {number}", call("get_ticket", ticket_id=number), ("title",))


def _ticket(story: TicketStory, text: From) -> Told:
    note, rank = f"For room {story.rng.randint(1, 400)}.", story.rng.randint(1, 5)
    words = f'create a ticket with exactly that as its title, description "{note}" and priority {rank}'
    return Told(words, call("create_ticket", title=text, description=note, priority=rank))


def _price(story: TradeStory) -> Found:
    symbol = story.fresh.pop()
    return Found(f"the price of {symbol}", call("get_stock_info", symbol=symbol), ("price",))


def _deposit(story: TradeStory, number: From) -> Told:
    del story
    return Told("deposit that amount into my trading account", call("fund_account", amount=number))


def _airport(story: TravelStory) -> Found:
    city = story.fresh.pop()
    find = call("get_nearest_airport_by_city", location=city)
    return Found(f"the airport nearest to {city}", find, ("nearest_airport",))


def _limit(story: TravelStory, number: From) -> Told:
    token = tell_token(story).removesuffix(".").strip()
    words = f"set my budget to that amount{' (' + token[0].lower() + token[1:] + ')' if token else ''}"
    return Told(words, call("set_budget_limit", access_token=story.token, budget_limit=number))


def _tweet(story: TweetStory, text: From) -> Told:
    tag = f"#{story.rng.choice(words.TOPICS)}"
    return Told(f"tweet exactly that with the tag {tag}", call("post_tweet", content=text, tags=[tag]))


def _zip_code(story: CarStory) -> Found:
    city = fresh_city(story)
    return Found(f"the zip code of {city}", call("get_zipcode_based_on_city", city=city), ("zipcode",))


def _go(story: CarStory, text: From) -> Told:
    del story
    return Told("set the navigation to exactly that", call("set_navigation", destination=text))


SIDES: Final[Mapping[str, Side]] = MappingProxyType(
    {
        "GorillaFileSystem": Side(noted_tree, _note, lambda story: bool(story.notes), _folder),
        "MathAPI": Side(blank, _sum, lambda _: True, _product),
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
