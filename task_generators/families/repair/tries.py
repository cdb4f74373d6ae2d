"""Things that are tried and fail, and what the user wants done then."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from loop.types import PlannedCall, Tier
from task_generators.families.files.story import FileStory
from task_generators.families.files.tidy import TIDY
from task_generators.families.maths.chain import CHAIN
from task_generators.families.maths.story import MathStory, value
from task_generators.families.messages.send import SEND
from task_generators.families.messages.story import MessageStory, draw_message, sending
from task_generators.families.sql.story import SqlStory, query
from task_generators.families.sql.write import WRITE
from task_generators.families.tickets.open import OPEN
from task_generators.families.tickets.story import TicketStory, draw
from task_generators.families.trading.buy import BUY
from task_generators.families.trading.story import Order, TradeStory
from task_generators.families.travel.booking import BOOKING
from task_generators.families.travel.story import TravelStory, draw_trip
from task_generators.families.twitter.post import POST
from task_generators.families.twitter.story import TweetStory, draw_text
from task_generators.families.vehicle.doors import CLIMATE
from task_generators.families.vehicle.story import CarStory
from task_generators.writing import words
from task_generators.writing.story import SHAPES, Family, Move, Told, always, call, result


class Try(NamedTuple):
    """What the user wants tried, and then done: the calls, of which the first fails, and what is said of them."""

    plan: tuple[PlannedCall, ...]
    said: Mapping[str, Any]
    tells: Mapping[str, Told] = MappingProxyType({})
    """What the user asks for, where that is so."""


class RepairTrial(NamedTuple):
    """One backend: the family whose stories trials are told in, and how to try."""

    family: Family[Any]
    draw: Callable[[Any], Try]
    ready: Callable[[Any], bool] = always
    calls: int = 2


def _folder(story: FileStory) -> Try:
    """A folder that is there already."""
    name, other = story.folder(), story.fresh_folders.pop()
    story.here[other] = {}
    return Try((call("mkdir", dir_name=name), call("mkdir", dir_name=other)), {"name": name, "other": other})


def _order(story: TradeStory) -> Try:
    """More than the account can pay."""
    price = story.rng.price(300, 900)
    many, few = story.rng.number(4000, 9000), story.rng.number(2, 100)
    order = Order("Buy", story.fresh.pop(), many, price)
    plan = order.place(), order._replace(amount=few).place()
    return Try(plan, {"many": many, "few": few, "symbol": order.symbol, "price": price})


def _flight(story: TravelStory) -> Try:
    """A card that the backend does not know."""
    trip, wrong = draw_trip(story.rng), story.rng.digits(5)
    story.booked, story.checked = None, False
    plan = tuple(story.with_token("book_flight", card_id=card, **trip.arguments) for card in (wrong, story.card))
    return Try(plan, {"wrong": wrong, "card": story.card, **trip.said})


def _ticket(story: TicketStory) -> Try:
    """A ticket that does not exist."""
    ticket, number = draw(story.rng), story.rng.number(20000, 90000)
    story.created = None
    return Try((call("close_ticket", ticket_id=number), ticket.create), {"number": number, **ticket.said})


def _message(story: MessageStory) -> Try:
    """Somebody who is not in the workspace yet."""
    name, message = story.strangers.pop(), draw_message(story)
    story.person = None
    plan = (
        call("get_user_id", user=name),
        call("add_contact", user_name=name),
        sending(result(story.steps + 1, "user_id"), message),
    )
    return Try(plan, {"name": name, "message": message})


def _tweet(story: TweetStory) -> Try:
    """A tweet that is gone."""
    number, text = story.rng.number(20000, 90000), draw_text(story)
    story.tweet = None
    plan = call("retweet", tweet_id=number), call("post_tweet", content=text)
    return Try(plan, {"number": number, "text": text})


def _fill(story: CarStory) -> Try:
    """More than the tank holds."""
    much, little = story.rng.number(51, 90), story.rng.choice((0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.25, 2.5))
    plan = call("fillFuelTank", fuelAmount=much), call("fillFuelTank", fuelAmount=little)
    return Try(plan, {"much": much, "little": little})


def _divide(story: MathStory) -> Try:
    """A division by zero."""
    a, b = value(story.rng), story.rng.choice((2, 4, 5, 8))
    story.number = None
    tells = {"result": result(story.steps + 1, "result")}
    return Try((call("divide", a=a, b=0), call("divide", a=a, b=b)), {"a": a, "b": b}, tells)


def _column(story: SqlStory) -> Try:
    """A column that the table does not have."""
    wrong, name = story.rng.one(words.TOPICS), story.name()
    table = story.kind.table
    story.known = True
    reading = query(f"SELECT {wrong} FROM {table} WHERE name = '{name}'")  # noqa: S608 - own words
    plan = reading, call("describe_table", table=table)
    return Try(plan, {"wrong": wrong, "name": name, **story.blanks}, {"columns": story.columns})


def _has_folder(story: FileStory) -> bool:
    return bool(story.folders)


def _is_undescribed(story: SqlStory) -> bool:
    return not story.known and bool(story.rows)


TRIALS: Final[Mapping[str, RepairTrial]] = MappingProxyType(
    {
        "GorillaFileSystem": RepairTrial(TIDY, _folder, _has_folder),
        "TradingBot": RepairTrial(BUY, _order, lambda story: bool(story.fresh)),
        "TravelAPI": RepairTrial(BOOKING, _flight),
        "TicketAPI": RepairTrial(OPEN, _ticket),
        "MessageAPI": RepairTrial(SEND, _message, lambda story: bool(story.strangers), 3),
        "TwitterAPI": RepairTrial(POST, _tweet),
        "VehicleControlAPI": RepairTrial(CLIMATE, _fill),
        "MathAPI": RepairTrial(CHAIN, _divide),
        "SQL": RepairTrial(WRITE, _column, _is_undescribed),
    }
)


def repair(trial: RepairTrial) -> Family[Any]:
    """Among ordinary turns, some whose first call fails; the user has said what to do then."""

    def attempt(story: Any) -> None:  # noqa: ANN401 - the trial knows its own story
        plan, said, tells = trial.draw(story)
        story.add("repair", *plan, tells=tells, **said)
        story.answer = "tried"

    weight = sum(move.weight for move in trial.family.moves)
    tiers = tuple(tier for tier in Tier if trial.calls in SHAPES[tier][1] or tier is not Tier.EASY)
    moves = (*trial.family.moves, Move(attempt, trial.calls, trial.ready, weight))
    return Family("repair", trial.family.opening, moves, tiers=tiers, sound=lambda story: bool(story.answer))
