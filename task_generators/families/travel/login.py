"""Logging in: every later call needs the token that a result supplies."""

from typing import Final

from loop.types import Argument, PlannedCall
from task_generators.families.travel.story import TravelStory, draw_trip, unknown
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _log_in(story: TravelStory) -> None:
    user, login = _credentials(story)
    story.login = story.turn(user, login)


def _log_in_and_limit(story: TravelStory) -> None:
    user, login = _credentials(story)
    limit = story.rng.randrange(300, 9000)
    phrases = (
        " Then set my budget to {limit} dollars.",
        " Then set a budget limit of {limit}.",
        " After that, limit my budget to {limit} dollars.",
        " With that token, set the budget limit to {limit}.",
    )
    story.login = story.steps
    limiting = _with_token(story, "set_budget_limit", budget_limit=limit)
    story.turn(user + story.phrase(phrases, limit=limit), login, limiting)


def _log_in_and_check(story: TravelStory) -> None:
    user, login = _credentials(story)
    phrases = (
        " Then show me the balance of card {card}.",
        " Then check the balance on card {card}.",
        " After that, tell me how much is on card {card}.",
        " With that token, get the balance of card {card}.",
    )
    story.login = story.steps
    checking = _with_token(story, "get_credit_card_balance", card_id=story.card)
    story.turn(user + story.phrase(phrases, card=story.card), login, checking)
    story.checked = True


def _limit(story: TravelStory) -> None:
    limit = story.rng.randrange(300, 9000)
    phrases = (
        "Set my budget to {limit} dollars.",
        "Now set a budget limit of {limit}.",
        "Limit my budget to {limit} dollars.",
        "My budget should be {limit} dollars.",
    )
    story.turn(story.phrase(phrases, limit=limit), _with_token(story, "set_budget_limit", budget_limit=limit))


def _check(story: TravelStory) -> None:
    phrases = (
        "What is the balance of card {card}?",
        "Check the balance on card {card}.",
        "How much is on card {card}?",
        "Show me the balance of card {card}.",
    )
    user = story.phrase(phrases, card=story.card)
    story.turn(user, _with_token(story, "get_credit_card_balance", card_id=story.card))
    story.checked = True


def _fly(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "Book a flight from {start} to {end} on {day} in {seat} class with card {card}.",
        "Get me a ticket in {seat} class from {start} to {end} for {day} with card {card}.",
    )
    user = story.phrase(phrases, card=story.card, **trip.words)
    story.turn(user, _with_token(story, "book_flight", card_id=story.card, **trip.arguments))
    story.checked = False


def _fly_and_check(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "Book {seat} class from {start} to {end} on {day} with card {card}. Show its balance then.",
        "Fly me {seat} class from {start} to {end} on {day} with card {card}, then check its balance.",
    )
    story.turn(
        story.phrase(phrases, card=story.card, **trip.words),
        _with_token(story, "book_flight", card_id=story.card, **trip.arguments),
        _with_token(story, "get_credit_card_balance", card_id=story.card),
    )
    story.checked = True


def _credentials(story: TravelStory) -> tuple[str, PlannedCall]:
    """Say who logs in, and plan it."""
    rng = story.rng
    first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
    client, secret, refresh = (f"{letter}{words.digits(rng, 4)}" for letter in "csr")
    grant = rng.choice(("read_write", "read", "write"))
    phrases = (
        "Log me in as {first} {last}: client {client}, secret {secret}, refresh token {refresh}, grant type {grant}.",
        "I am {first} {last}. Log in with client {client}, secret {secret}, refresh token {refresh}, grant {grant}.",
        "Log in {first} {last}, client id {client}, secret {secret}, refresh token {refresh}, for {grant}.",
        "Authenticate {first} {last}: client id {client}, secret {secret}, refresh token {refresh}, grant {grant}.",
    )
    user = story.phrase(phrases, first=first, last=last, client=client, secret=secret, refresh=refresh, grant=grant)
    return user, call(
        "authenticate_travel",
        client_id=client,
        client_secret=secret,
        refresh_token=refresh,
        grant_type=grant,
        user_first_name=first,
        user_last_name=last,
    )


def _with_token(story: TravelStory, name: str, /, **arguments: Argument) -> PlannedCall:
    """Plan a call with the token that the log-in returned."""
    assert story.login is not None
    return call(name, access_token=result(story.login, "access_token"), **arguments)


def _is_out(story: TravelStory) -> bool:
    return story.login is None


def _is_in(story: TravelStory) -> bool:
    return story.login is not None


LOGIN: Final = Family(
    "login",
    unknown,
    (
        Move(_log_in, 1, _is_out),
        Move(_log_in_and_limit, 2, _is_out, weight=3),
        Move(_log_in_and_check, 2, _is_out, weight=3),
        Move(_limit, 1, _is_in),
        Move(_check, 1, lambda story: _is_in(story) and not story.checked),
        Move(_fly, 1, _is_in),
        Move(_fly_and_check, 2, _is_in, weight=3),
    ),
)
