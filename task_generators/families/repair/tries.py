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
from task_generators.families.trading.story import TradeStory
from task_generators.families.travel.booking import BOOKING
from task_generators.families.travel.story import TravelStory, draw_trip
from task_generators.families.twitter.post import POST
from task_generators.families.twitter.story import TweetStory, draw_text
from task_generators.families.vehicle.doors import CLIMATE
from task_generators.families.vehicle.story import CarStory
from task_generators.writing import words
from task_generators.writing.story import SHAPES, Family, Move, always, call, result


class Try(NamedTuple):
    """What the user wants tried, and then done; the calls, of which the first fails."""

    user: str
    plan: tuple[PlannedCall, ...]


class Trial(NamedTuple):
    """One backend: the family whose stories trials are told in, and how to try."""

    family: Family[Any]
    draw: Callable[[Any], Try]
    ready: Callable[[Any], bool] = always
    calls: int = 2


def _folder(story: FileStory) -> Try:
    """A folder that is there already."""
    name, other = story.folder(), story.fresh_folders.pop()
    phrases = (
        "Try to create a folder {name}. If that fails, create {other} instead.",
        "Make a directory {name}; should it exist already, make {other}.",
        "Create the folder {name}, or {other} if {name} cannot be made.",
        "Try making a folder called {name}. If there is an error, call it {other}.",
    )
    story.here[other] = {}
    user = story.phrase(phrases, name=name, other=other)
    return Try(user, (call("mkdir", dir_name=name), call("mkdir", dir_name=other)))


def _order(story: TradeStory) -> Try:
    """More than the account can pay."""
    symbol, price = story.fresh.pop(), words.price(story.rng, 300, 900)
    many, few = story.rng.randint(400, 900), story.rng.randint(2, 60)
    phrases = (
        "Try to buy {many} shares of {symbol} at {price}. If the money is not enough, buy {few}.",
        "Buy {many} shares of {symbol} at {price}, or {few} if that is refused.",
        "Place an order to buy {many} {symbol} at {price}. If there is an error, make it {few} shares.",
        "Try to place a buy order for {many} shares of {symbol} at {price}; if it fails, order {few}.",
    )
    plan = tuple(
        call("place_order", order_type="Buy", symbol=symbol, price=price, amount=amount) for amount in (many, few)
    )
    return Try(story.phrase(phrases, many=many, few=few, symbol=symbol, price=price), plan)


def _flight(story: TravelStory) -> Try:
    """A card that the backend does not know."""
    trip, wrong = draw_trip(story.rng), words.digits(story.rng, 5)
    phrases = (
        "Book {seat} class from {start} to {end} on {day} with card {wrong}, or card {card} if that fails.",
        "Try to book {seat} class from {start} to {end} on {day} with card {wrong}. If it is refused, use card {card}.",
        "With card {wrong}, book {seat} class from {start} to {end} on {day}. On an error take card {card}.",
        "Book me from {start} to {end} on {day}, {seat} class. Try card {wrong} first; if it fails, card {card}.",
    )
    story.told, story.booked = True, None
    user = f"{story.phrase(phrases, wrong=wrong, card=story.card, **trip.words)} My access token is {story.token}."
    plan = tuple(
        call("book_flight", access_token=story.token, card_id=card, **trip.arguments) for card in (wrong, story.card)
    )
    return Try(user, plan)


def _ticket(story: TicketStory) -> Try:
    """A ticket that does not exist."""
    ticket, number = draw(story.rng), story.rng.randrange(20000, 90000)
    phrases = (
        'Close ticket {number}. If there is none, create one: title "{title}", description "{note}", priority {rank}.',
        'Try to close ticket {number}; if it fails, open "{title}", description "{note}", priority {rank}.',
        'Close ticket {number}, or on an error make one with title "{title}", description "{note}", priority {rank}.',
        'Try closing ticket {number}. If that fails, file "{title}" with description "{note}" and priority {rank}.',
    )
    story.created = None
    user = story.phrase(phrases, number=number, **ticket._asdict())
    return Try(user, (call("close_ticket", ticket_id=number), ticket.create))


def _message(story: MessageStory) -> Try:
    """Somebody who is not in the workspace yet."""
    name, message, first = story.strangers.pop(), draw_message(story), story.steps
    phrases = (
        'Look up the id of {name}. If there is none, add {name} as a contact. Then send "{message}"',
        'Get the user id of {name}, or on an error add the contact {name}; then send the message "{message}"',
        'Send {name} the message "{message}" Look for the user id first and add the contact if that fails.',
        'Try to find the id of {name}; if it fails, add the contact. Then write to {name}: "{message}"',
    )
    story.person = None
    plan = (
        call("get_user_id", user=name),
        call("add_contact", user_name=name),
        sending(result(first + 1, "user_id"), message),
    )
    return Try(story.phrase(phrases, name=name, message=message), plan)


def _tweet(story: TweetStory) -> Try:
    """A tweet that is gone."""
    number, text = story.rng.randrange(20000, 90000), draw_text(story)
    phrases = (
        'Retweet the tweet {number}. If it does not exist, post "{text}"',
        'Try to retweet {number}; if that fails, tweet "{text}"',
        'Retweet tweet {number}, or on an error post the tweet "{text}"',
        'Try retweeting {number}. Should it be gone, write a tweet: "{text}"',
    )
    story.tweet = None
    user = story.phrase(phrases, number=number, text=text)
    return Try(user, (call("retweet", tweet_id=number), call("post_tweet", content=text)))


def _fill(story: CarStory) -> Try:
    """More than the tank holds."""
    much, little = story.rng.randint(51, 90), story.rng.choice((0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.25, 2.5))
    phrases = (
        "Fill {much} gallons into the tank. If that is too much, fill in {little}.",
        "Try to add {much} gallons of fuel; if it fails, add {little} gallons.",
        "Put {much} gallons into the fuel tank, or {little} if there is an error.",
        "Try filling the tank with {much} gallons. Should that not work, take {little} gallons.",
    )
    user = story.phrase(phrases, much=much, little=little)
    return Try(user, (call("fillFuelTank", fuelAmount=much), call("fillFuelTank", fuelAmount=little)))


def _divide(story: MathStory) -> Try:
    """A division by zero."""
    a, b = value(story.rng), story.rng.choice((2, 4, 5, 8))
    phrases = (
        "Divide {a} by 0. If that fails, divide it by {b}.",
        "Try to divide {a} by 0; on an error divide it by {b}.",
        "Work out {a} divided by 0, or by {b} if that cannot be done.",
        "Try dividing {a} by 0. Should there be an error, take {b} instead.",
    )
    story.number = None
    return Try(story.phrase(phrases, a=a, b=b), (call("divide", a=a, b=0), call("divide", a=a, b=b)))


def _column(story: SqlStory) -> Try:
    """A column that the table does not have."""
    wrong, name = story.rng.choice(words.TOPICS), story.name()
    phrases = (
        "Select {wrong} from {table} where the name is {name}. If there is no such column, describe {table}.",
        "Try to get the {wrong} of {name} from {table}; if it fails, describe the table {table}.",
        "Look up the {wrong} of {name} in {table}, or on an error describe {table}.",
        "Try selecting {wrong} for {name} from {table}. Should that fail, describe the table {table}.",
    )
    table = story.kind.table
    story.known = True
    reading = query(f"SELECT {wrong} FROM {table} WHERE name = '{name}'")  # noqa: S608 - own words
    user = story.phrase(phrases, wrong=wrong, name=name, **story.blanks)
    return Try(user, (reading, call("describe_table", table=table)))


def _has_folder(story: FileStory) -> bool:
    return bool(story.folders)


def _is_undescribed(story: SqlStory) -> bool:
    return not story.known and bool(story.rows)


TRIALS: Final[Mapping[str, Trial]] = MappingProxyType(
    {
        "GorillaFileSystem": Trial(TIDY, _folder, _has_folder),
        "TradingBot": Trial(BUY, _order, lambda story: bool(story.fresh)),
        "TravelAPI": Trial(BOOKING, _flight),
        "TicketAPI": Trial(OPEN, _ticket),
        "MessageAPI": Trial(SEND, _message, lambda story: bool(story.strangers), 3),
        "TwitterAPI": Trial(POST, _tweet),
        "VehicleControlAPI": Trial(CLIMATE, _fill),
        "MathAPI": Trial(CHAIN, _divide),
        "SQL": Trial(WRITE, _column, _is_undescribed),
    }
)


def repair(trial: Trial) -> Family[Any]:
    """Among ordinary turns, some whose first call fails; the user has said what to do then."""

    def attempt(story: Any) -> None:  # noqa: ANN401 - the trial knows its own story
        user, plan = trial.draw(story)
        story.turn(user, *plan)
        story.answer = "tried"

    weight = sum(move.weight for move in trial.family.moves)
    tiers = tuple(tier for tier in Tier if trial.calls in SHAPES[tier][1] or tier is not Tier.EASY)
    moves = (*trial.family.moves, Move(attempt, trial.calls, trial.ready, weight))
    return Family("repair", trial.family.opening, moves, tiers=tiers, sound=lambda story: bool(story.answer))
