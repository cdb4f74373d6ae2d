"""Logging in: every later call needs the token that a result supplies."""

from typing import Any, Final

from loop.types import PlannedCall
from task_generators.families.travel.booking import book
from task_generators.families.travel.budget import limit
from task_generators.families.travel.story import TravelStory, draw_trip, unknown
from task_generators.families.travel.wallet import ask_balance
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _log_in(story: TravelStory) -> None:
    said, login = _credentials(story)
    token = result(story.steps, "access_token")
    story.login = story.add("log_in", login, names={"token": token}, **said)


def _log_in_and_limit(story: TravelStory) -> None:
    said, login = _credentials(story)
    most, story.login = story.rng.number(300, 9000), story.steps
    limiting = story.with_token("set_budget_limit", budget_limit=most)
    story.add_both("log_in", "and_limit", login, limiting, limit=most, **said)


def _log_in_and_check(story: TravelStory) -> None:
    said, login = _credentials(story)
    story.login = story.steps
    checking = story.with_token("get_credit_card_balance", card_id=story.card)
    tells = {"balance": result(story.steps + 1, "card_balance")}
    story.add_both("log_in", "and_check", login, checking, tells=tells, card=story.card, **said)
    story.checked = True


def _book_and_check(story: TravelStory) -> None:
    trip, balance = draw_trip(story.rng), result(story.steps + 1, "card_balance")
    steps = story.book(trip), story.with_token("get_credit_card_balance", card_id=story.card)
    story.add("book_and_check", *steps, tells={"balance": balance}, card=f"card {story.card}", **trip.said)
    story.checked = True


def _credentials(story: TravelStory) -> tuple[dict[str, Any], PlannedCall]:
    """Say who logs in, and plan it."""
    rng = story.rng
    client, secret, refresh = (f"{letter}{rng.digits(4)}" for letter in "csr")
    said = {
        "client": client,
        "secret": secret,
        "refresh": refresh,
        "grant": rng.choice(("read_write", "read", "write")),
        "first": rng.one(words.FIRST_NAMES),
        "last": rng.one(words.LAST_NAMES),
    }
    return said, call(
        "authenticate_travel",
        client_id=client,
        client_secret=secret,
        refresh_token=refresh,
        grant_type=said["grant"],
        user_first_name=said["first"],
        user_last_name=said["last"],
    )


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
        Move(limit, 1, _is_in),
        Move(ask_balance, 1, lambda story: _is_in(story) and not story.checked),
        Move(book, 1, _is_in),
        Move(_book_and_check, 2, _is_in, weight=3),
    ),
)
