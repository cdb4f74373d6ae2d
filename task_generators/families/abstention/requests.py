"""Requests that cannot be met at once: something is missing, or no tool fits."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from loop.types import PlannedCall
from task_generators.families.files.story import FileStory
from task_generators.families.files.tidy import TIDY, has_file
from task_generators.families.maths.chain import CHAIN
from task_generators.families.maths.story import MathStory, value
from task_generators.families.messages.send import SEND
from task_generators.families.messages.story import MessageStory, draw_message
from task_generators.families.sql.read import has_rows
from task_generators.families.sql.story import SqlStory, write
from task_generators.families.sql.write import WRITE
from task_generators.families.tickets.open import OPEN
from task_generators.families.tickets.story import TicketStory, draw
from task_generators.families.trading.buy import BUY
from task_generators.families.trading.story import TradeStory, amount_of_shares
from task_generators.families.travel.booking import BOOKING
from task_generators.families.travel.story import TravelStory, draw_trip
from task_generators.families.twitter.post import POST
from task_generators.families.twitter.story import TweetStory, draw_text
from task_generators.families.vehicle.doors import CLIMATE
from task_generators.families.vehicle.story import CarStory
from task_generators.writing import words
from task_generators.writing.story import Family, Story, always, call


class Incomplete(NamedTuple):
    """A request that lacks something, the question that it calls for, the answer, and what is due then."""

    user: str
    question: str
    answer: str
    due: PlannedCall


class Complete(NamedTuple):
    """A request for one tool that nothing else can replace."""

    user: str
    due: PlannedCall


class Host(NamedTuple):
    """One backend: the family whose stories the odd turns are told in, and what can be asked in them."""

    family: Family[Any]
    incomplete: Callable[[Any], Incomplete]
    complete: Callable[[Any], Complete] | None = None
    ready: Callable[[Any], bool] = always
    """Whether there is something to ask incompletely."""


def _rename(story: FileStory) -> Incomplete:
    file, name = story.file(), story.fresh_files.pop()
    due = call("mv", source=file, destination=name)
    story.here[name] = story.here.pop(file)
    user = story.phrase(("Rename {file}.", "Give {file} another name.", "Please change the name of {file}."), file=file)
    return Incomplete(user, "What should the new name be?", f"Call it {name}.", due)


def _folder(story: FileStory) -> Complete:
    name = story.fresh_folders.pop()
    story.here[name] = {}
    user = story.phrase(
        ("Create a folder {name}.", "I need a folder called {name}.", "Make a directory {name}."), name=name
    )
    return Complete(user, call("mkdir", dir_name=name))


def _some_shares(story: TradeStory) -> Incomplete:
    symbol, price, amount = story.fresh.pop(), words.price(story.rng), amount_of_shares(story.rng)
    phrases = (
        "Buy some shares of {symbol} at {price} each.",
        "Place an order to buy {symbol} at {price}.",
        "I want to buy shares of {symbol} at a price of {price}.",
    )
    due = call("place_order", order_type="Buy", symbol=symbol, price=price, amount=amount)
    return Incomplete(story.phrase(phrases, symbol=symbol, price=price), "How many shares?", f"{amount} shares.", due)


def _order(story: TradeStory) -> Complete:
    symbol, price, amount = story.fresh.pop(), words.price(story.rng), amount_of_shares(story.rng)
    phrases = (
        "Buy {amount} shares of {symbol} at {price} each.",
        "Place an order to buy {amount} shares of {symbol} at {price}.",
        "I want to buy {amount} shares of {symbol} at a price of {price}.",
    )
    user = story.phrase(phrases, symbol=symbol, price=price, amount=amount)
    return Complete(user, call("place_order", order_type="Buy", symbol=symbol, price=price, amount=amount))


def _some_day(story: TravelStory) -> Incomplete:
    trip = draw_trip(story.rng)
    phrases = (
        "Book {seat} class from {start} to {end} with card {card}. My access token is {token}.",
        "I want to fly {seat} class from {start} to {end}. Book it with card {card}, my access token is {token}.",
        "With access token {token} and card {card}, book a flight from {start} to {end} in {seat} class.",
    )
    user = story.phrase(phrases, card=story.card, token=story.token, **trip.words)
    return Incomplete(user, "On which date?", f"On {trip.day}.", _booking(story, trip.arguments))


def _flight(story: TravelStory) -> Complete:
    trip = draw_trip(story.rng)
    phrases = (
        "Book {seat} class from {start} to {end} on {day} with card {card}. My access token is {token}.",
        "I want to fly {seat} class from {start} to {end} on {day}. Book it with card {card}, access token {token}.",
        "With access token {token} and card {card}, book a flight from {start} to {end} on {day} in {seat} class.",
    )
    user = story.phrase(phrases, card=story.card, token=story.token, **trip.words)
    return Complete(user, _booking(story, trip.arguments))


def _booking(story: TravelStory, trip: Mapping[str, str]) -> PlannedCall:
    story.told, story.booked = True, None
    return call("book_flight", access_token=story.token, card_id=story.card, **trip)


def _some_rank(story: TicketStory) -> Incomplete:
    number, rank = story.numbers.pop(), story.rng.randint(1, 5)
    phrases = (
        "Change the priority of ticket {number}.",
        "Ticket {number} needs another priority.",
        "Set the priority of ticket {number}.",
    )
    due = call("edit_ticket", ticket_id=number, updates={"priority": rank})
    return Incomplete(story.phrase(phrases, number=number), "To which priority?", f"To {rank}.", due)


def _ticket(story: TicketStory) -> Complete:
    ticket = draw(story.rng)
    phrases = (
        'Create a ticket with title "{title}", description "{note}" and priority {rank}.',
        'Open a ticket: title "{title}", description "{note}", priority {rank}.',
        'I need a priority {rank} ticket with title "{title}" and description "{note}".',
    )
    return Complete(story.phrase(phrases, **ticket._asdict()), ticket.create)


def _some_message(story: MessageStory) -> Incomplete:
    receiver, message = story.rng.choice(story.known_ids), draw_message(story)
    phrases = (
        "Send a message to user {receiver}.",
        "Write to user {receiver} for me.",
        "I want to message the user {receiver}.",
    )
    due = call("send_message", receiver_id=receiver, message=message)
    return Incomplete(
        story.phrase(phrases, receiver=receiver), "What should it say?", f'It should say "{message}"', due
    )


def _message(story: MessageStory) -> Complete:
    receiver, message = story.rng.choice(story.known_ids), draw_message(story)
    phrases = (
        'Send user {receiver} the message "{message}"',
        'Write to user {receiver}: "{message}"',
        'Message the user {receiver}: "{message}"',
    )
    user = story.phrase(phrases, receiver=receiver, message=message)
    return Complete(user, call("send_message", receiver_id=receiver, message=message))


def _some_comment(story: TweetStory) -> Incomplete:
    number, text = story.rng.choice(story.numbers), draw_text(story)
    phrases = (
        "Comment on tweet {number}.",
        "Write a comment on the tweet {number}.",
        "Add a comment to tweet {number}.",
    )
    due = call("comment", tweet_id=number, comment_content=text)
    return Incomplete(story.phrase(phrases, number=number), "What should it say?", f'It should say "{text}"', due)


def _tweet(story: TweetStory) -> Complete:
    text = draw_text(story)
    story.tweet = None
    phrases = ('Post the tweet "{text}"', 'Tweet "{text}"', 'Please post "{text}" as a tweet.')
    return Complete(story.phrase(phrases, text=text), call("post_tweet", content=text))


def _address(story: CarStory) -> str:
    return f"{story.rng.randint(1, 999)} {story.rng.choice(words.PLACES).title()} Street"


def _somewhere(story: CarStory) -> Incomplete:
    address = _address(story)
    phrases = ("Start the navigation.", "Set the navigation for me.", "I want to go somewhere, set the navigation.")
    due = call("set_navigation", destination=address)
    return Incomplete(story.phrase(phrases), "Where do you want to go?", f"To {address}.", due)


def _way(story: CarStory) -> Complete:
    address = _address(story)
    phrases = ("Navigate to {address}.", "Set the navigation to {address}.", "Take me to {address}.")
    return Complete(story.phrase(phrases, address=address), call("set_navigation", destination=address))


def _times_something(story: MathStory) -> Incomplete:
    a, b = value(story.rng), story.rng.randint(3, 99)
    story.number = None
    phrases = ("Multiply {a} by another number.", "I want to multiply {a}.", "Work out a multiple of {a}.")
    return Incomplete(story.phrase(phrases, a=a), "By which number?", f"By {b}.", call("multiply", a=a, b=b))


def _set_something(story: SqlStory) -> Incomplete:
    name, number = story.name(), story.value()
    phrases = (
        "Change the {number} of {name} in {table}.",
        "Set another {number} for {name} in {table}.",
        "In {table}, {name} needs a new {number}.",
    )
    user = story.phrase(phrases, name=name, **story.blanks)
    sql = f"UPDATE {story.kind.table} SET {story.kind.number} = {number} WHERE name = '{name}'"  # noqa: S608 - own words
    story.rows[name] = number
    return Incomplete(user, f"To which {story.kind.number}?", f"To {number}.", write(sql))


def _new_row(story: SqlStory) -> Complete:
    name, number, key = story.fresh.pop(), story.value(), story.rng.randrange(1000, 10000)
    phrases = (
        "Add a {row} to {table}: id {id}, name {name}, {number} {value}.",
        "Insert into {table} the id {id}, the name {name} and the {number} {value}.",
        "Put a row into {table} with id {id}, name {name}, {number} {value}.",
    )
    user = story.phrase(phrases, id=key, name=name, value=number, **story.blanks)
    table, column = story.kind.table, story.kind.number
    sql = f"INSERT INTO {table} (id, name, {column}) VALUES ({key}, '{name}', {number})"  # noqa: S608 - own words
    story.rows[name] = number
    return Complete(user, write(sql))


def _has_number(story: TicketStory) -> bool:
    return bool(story.numbers)


def _has_fresh(story: TradeStory) -> bool:
    return bool(story.fresh)


HOSTS: Final[Mapping[str, Host]] = MappingProxyType(
    {
        "GorillaFileSystem": Host(TIDY, _rename, _folder, has_file),
        "TradingBot": Host(BUY, _some_shares, _order, _has_fresh),
        "TravelAPI": Host(BOOKING, _some_day, _flight),
        "TicketAPI": Host(OPEN, _some_rank, _ticket, _has_number),
        "MessageAPI": Host(SEND, _some_message, _message),
        "TwitterAPI": Host(POST, _some_comment, _tweet),
        "VehicleControlAPI": Host(CLIMATE, _somewhere, _way),
        "MathAPI": Host(CHAIN, _times_something),
        "SQL": Host(WRITE, _set_something, _new_row, has_rows),
    }
)


def impossible(story: Story) -> str:
    """Draw a request that no tool of any backend fits."""
    rng = story.rng
    topic, place, name = rng.choice(words.TOPICS), rng.choice(words.PLACES), rng.choice(words.FIRST_NAMES)
    phrases = (
        "Play a song about {topic}.",
        "Order a pizza to {count} {place} Street.",
        "Translate the word {topic} into French.",
        "Draw me a picture of a {topic}.",
        "Set an alarm for {hour} o'clock.",
        "Book a table for {count} at the {place} restaurant.",
        "Call {name} on the phone.",
        "Turn on the lights in the {place} room.",
        "What does my horoscope say about the {topic}?",
        "Water the plants in the {place} garden.",
        "Record a video of the {topic}.",
        "Buy two cinema tickets for {topic}.",
    )
    return story.phrase(phrases, topic=topic, place=place, name=name, hour=rng.randint(1, 12), count=rng.randint(2, 12))
