"""Logging in before opening tickets, and out again."""

from typing import Any, Final

from task_generators.families.tickets.open import create_and_show
from task_generators.families.tickets.story import TicketStory, create, draw, is_inside, outside
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _credentials(story: TicketStory) -> dict[str, Any]:
    rng = story.rng
    return {"name": rng.one(words.FIRST_NAMES).lower(), "password": f"{rng.one(words.TOPICS)}{rng.digits(3)}"}


def _log_in(story: TicketStory) -> None:
    said = _credentials(story)
    story.add("log_in", call("ticket_login", username=said["name"], password=said["password"]), **said)
    story.logged_in = True


def _log_in_and_create(story: TicketStory) -> None:
    said, ticket = _credentials(story), draw(story.rng)
    login = call("ticket_login", username=said["name"], password=said["password"])
    names = {"number": result(story.steps + 1, "id")}
    story.created = story.add_both("log_in", "and_create", login, ticket.create, names=names, **said, **ticket.said)
    story.logged_in = True


def _log_out(story: TicketStory) -> None:
    story.add("log_out", call("logout"))
    story.logged_in = False


def _is_outside(story: TicketStory) -> bool:
    return not story.logged_in


LOGIN: Final = Family(
    "login",
    outside,
    (
        Move(_log_in, 1, _is_outside),
        Move(_log_in_and_create, 2, _is_outside, weight=3),
        Move(create, 1, is_inside, weight=2),
        Move(create_and_show, 2, is_inside),
        Move(_log_out, 1, is_inside),
    ),
)
