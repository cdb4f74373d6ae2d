"""Requests that cannot be met at once: something is missing, or no tool fits."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from loop.types import PlannedCall
from task_generators.families.files.story import FileStory
from task_generators.families.files.tidy import TIDY, has_file
from task_generators.families.maths.chain import CHAIN
from task_generators.families.maths.story import MathStory, factor, value
from task_generators.families.messages.send import SEND
from task_generators.families.messages.story import MessageStory, draw_message
from task_generators.families.sql.read import has_rows
from task_generators.families.sql.story import SqlStory, write
from task_generators.families.sql.write import WRITE, setting
from task_generators.families.tickets.open import OPEN
from task_generators.families.tickets.story import TicketStory, draw
from task_generators.families.trading.buy import BUY
from task_generators.families.trading.story import Order, TradeStory, draw_order
from task_generators.families.travel.booking import BOOKING
from task_generators.families.travel.story import TravelStory, draw_trip
from task_generators.families.twitter.post import POST
from task_generators.families.twitter.story import TweetStory, draw_text
from task_generators.families.vehicle.doors import CLIMATE
from task_generators.families.vehicle.story import CITIES, CarStory, draw_address, going
from task_generators.writing import words
from task_generators.writing.story import Family, Story, always, call


class Due(NamedTuple):
    """What the user wants and cannot have at once: the call, and what fills the blanks of what is said of it."""

    call: PlannedCall
    said: Mapping[str, Any]
    move: str = "supply"
    """The move whose closing message ends the turn, once it is done."""
    tells: Mapping[str, str] = MappingProxyType({})
    """What the user asks for, where that is so: blanks, and the fields of the result that fill them."""
    names: Mapping[str, str] = MappingProxyType({})
    """What the closing message may name: blanks, and the fields of the result that fill them."""


class Host(NamedTuple):
    """One backend: the family whose stories the odd turns are told in, and what can be asked in them."""

    family: Family[Any]
    about: Callable[[Any], Mapping[str, Any]]
    """What the user may speak of where no tool fits."""
    incomplete: Callable[[Any], Due]
    """A request that lacks something."""
    complete: Callable[[Any], Due] | None = None
    """A request for one tool that nothing else can replace."""
    ready: Callable[[Any], bool] = always
    """Whether there is something to ask incompletely."""


def anything(story: Story) -> dict[str, Any]:
    """Draw what users of any backend may speak of."""
    rng = story.rng
    person, other = rng.some(words.FIRST_NAMES, 2)
    place = rng.one(words.PLACES).title()
    said = {"topic": rng.one(words.TOPICS), "place": place, "person": person, "other": other}
    return {**said, "hour": rng.randint(1, 12), "count": rng.number(2, 30)}


def _a_file(story: FileStory) -> dict[str, Any]:
    return {"file": (story.files or story.fresh_files)[0]}


def _rename(story: FileStory) -> Due:
    file, name = story.file(), story.fresh_files.pop()
    story.here[name] = story.here.pop(file)
    return Due(call("mv", source=file, destination=name), {"file": file, "name": name})


def _folder(story: FileStory) -> Due:
    name = story.fresh_folders.pop()
    story.here[name] = {}
    return Due(call("mkdir", dir_name=name), {"name": name}, "make")


def _a_stock(story: TradeStory) -> dict[str, Any]:
    return {"symbol": story.rng.choice(sorted(story.prices))}


def _some_shares(story: TradeStory) -> Due:
    order = _buying(story)
    return Due(order.place(), order.said)


def _order(story: TradeStory) -> Due:
    order = _buying(story)
    return Due(order.place(), order.said, "place", names={"order": "order_id"})


def _buying(story: TradeStory) -> Order:
    return draw_order(story, story.fresh.pop())._replace(side="Buy")


def _a_trip(story: TravelStory) -> dict[str, Any]:
    return draw_trip(story.rng).said


def _some_day(story: TravelStory) -> Due:
    return _flight(story)._replace(move="supply")


def _flight(story: TravelStory) -> Due:
    trip = draw_trip(story.rng)
    booking = story.book(trip)
    story.booked = None
    said = {**trip.said, "card": f"card {story.card}"}
    return Due(booking, said, "book", names={"booking": "booking_id"})


def _a_ticket(story: TicketStory) -> dict[str, Any]:
    return {"number": story.rng.number(100, 9000)}


def _some_rank(story: TicketStory) -> Due:
    number, rank = story.numbers.pop(), story.rng.randint(1, 5)
    return Due(call("edit_ticket", ticket_id=number, updates={"priority": rank}), {"number": number, "rank": rank})


def _ticket(story: TicketStory) -> Due:
    ticket = draw(story.rng)
    return Due(ticket.create, ticket.said, "create", names={"number": "id"})


def _some_message(story: MessageStory) -> Due:
    return _message(story)._replace(move="supply")


def _message(story: MessageStory) -> Due:
    receiver, message = story.rng.choice(story.known_ids), draw_message(story)
    sending = call("send_message", receiver_id=receiver, message=message)
    return Due(sending, {"receiver": receiver, "message": message}, "send_to")


def _some_comment(story: TweetStory) -> Due:
    number, text = story.rng.choice(story.numbers), draw_text(story)
    return Due(call("comment", tweet_id=number, comment_content=text), {"number": number, "text": text})


def _tweet(story: TweetStory) -> Due:
    text = draw_text(story)
    story.tweet = None
    return Due(call("post_tweet", content=text), {"text": text}, "post", names={"number": "id"})


def _a_way(story: CarStory) -> dict[str, Any]:
    return {"address": draw_address(story.rng), "city": story.rng.one(CITIES)}


def _somewhere(story: CarStory) -> Due:
    return _way(story)._replace(move="supply")


def _way(story: CarStory) -> Due:
    address = draw_address(story.rng)
    return Due(going(address), {"address": address}, "navigate")


def _a_number(story: MathStory) -> dict[str, Any]:
    a = value(story.rng)
    return {"a": a, "b": value(story.rng, a)}


def _times_something(story: MathStory) -> Due:
    a, b = value(story.rng), factor(story.rng)
    story.number = None
    return Due(call("multiply", a=a, b=b), {"a": a, "b": b}, tells={"result": "result"})


def _a_table(story: SqlStory) -> dict[str, Any]:
    return {"name": story.rng.choice([*story.rows, *story.fresh]), **story.blanks}


def _set_something(story: SqlStory) -> Due:
    name, number = story.name(), story.fresh_value()
    story.rows[name] = number
    return Due(setting(story, name, number), {"name": name, "value": number, **story.blanks})


def _new_row(story: SqlStory) -> Due:
    name, number, key = story.fresh.pop(), story.fresh_value(), story.rng.number(1000, 9999)
    table, column = story.kind.table, story.kind.number
    sql = f"INSERT INTO {table} (id, name, {column}) VALUES ({key}, '{name}', {number})"  # noqa: S608 - own words
    story.rows[name] = number
    return Due(write(sql), {"id": key, "name": name, "value": number, **story.blanks}, "insert")


def _has_number(story: TicketStory) -> bool:
    return bool(story.numbers)


def _has_fresh(story: TradeStory) -> bool:
    return bool(story.fresh)


HOSTS: Final[Mapping[str, Host]] = MappingProxyType(
    {
        "GorillaFileSystem": Host(TIDY, _a_file, _rename, _folder, has_file),
        "TradingBot": Host(BUY, _a_stock, _some_shares, _order, _has_fresh),
        "TravelAPI": Host(BOOKING, _a_trip, _some_day, _flight),
        "TicketAPI": Host(OPEN, _a_ticket, _some_rank, _ticket, _has_number),
        "MessageAPI": Host(SEND, lambda _: {}, _some_message, _message),
        "TwitterAPI": Host(POST, lambda _: {}, _some_comment, _tweet),
        "VehicleControlAPI": Host(CLIMATE, _a_way, _somewhere, _way),
        "MathAPI": Host(CHAIN, _a_number, _times_something),
        "SQL": Host(WRITE, _a_table, _set_something, _new_row, has_rows),
    }
)
