"""Logging in before opening tickets, and out again."""

from typing import Final

from task_generators.families.tickets.open import create_and_show
from task_generators.families.tickets.story import TicketStory, create, draw, is_inside, outside
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call


def _credentials(story: TicketStory) -> tuple[str, str]:
    return story.rng.choice(words.FIRST_NAMES).lower(), f"{story.rng.choice(words.TOPICS)}{words.digits(story.rng, 3)}"


def _log_in(story: TicketStory) -> None:
    name, password = _credentials(story)
    phrases = (
        "Log me in as {name} with the password {password}.",
        "I am {name}, my password is {password}. Log me in.",
        "Please log in to the ticket system as {name}, password {password}.",
        "Log in with user name {name} and password {password}.",
    )
    user = story.phrase(phrases, name=name, password=password)
    story.turn(user, call("ticket_login", username=name, password=password))
    story.logged_in = True


def _log_in_and_create(story: TicketStory) -> None:
    (name, password), ticket = _credentials(story), draw(story.rng)
    phrases = (
        'Log in as {name}, password {password}, and create a priority {rank} ticket "{title}", description "{note}".',
        'I am {name}, password {password}. Log in and open a ticket "{title}", description "{note}", priority {rank}.',
        'Log me in as {name} with {password}, then make a ticket "{title}", description "{note}", priority {rank}.',
        'As {name}, password {password}, log in and file the ticket "{title}", description "{note}", priority {rank}.',
    )
    user = story.phrase(phrases, name=name, password=password, **ticket._asdict())
    story.turn(user, call("ticket_login", username=name, password=password), ticket.create)
    story.logged_in, story.created = True, story.steps - 1


def _log_out(story: TicketStory) -> None:
    phrases = ("Log me out.", "I am done, log out.", "Please log me out again.", "Log out of the ticket system.")
    story.turn(story.phrase(phrases), call("logout"))
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
