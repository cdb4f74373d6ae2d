"""Resolving tickets with what was done, by the number that a result supplies."""

from random import Random
from typing import Final

from task_generators.families.tickets.story import TicketStory, create, draw, inside, is_created
from task_generators.writing.story import Family, Move, call, result

CURES: Final = ("Restarted it.", "Replaced the part.", "Updated it.", "Cleaned it.", "Reset it.", "Changed the cable.")


def _cure(rng: Random) -> str:
    return f"{rng.choice(CURES)} Took {rng.randint(2, 90)} minutes."


def _resolve(story: TicketStory) -> None:
    cure = _cure(story.rng)
    phrases = (
        'Resolve that ticket with "{cure}"',
        'It is solved. Resolve the ticket, the resolution is "{cure}"',
        'Mark it as resolved with the resolution "{cure}"',
        'Now resolve this ticket: "{cure}"',
    )
    user = story.phrase(phrases, cure=cure)
    story.turn(user, call("resolve_ticket", ticket_id=story.it, resolution=cure))
    story.created = None


def _create_and_resolve(story: TicketStory) -> None:
    ticket, cure = draw(story.rng), _cure(story.rng)
    phrases = (
        'Create a ticket, title "{title}", description "{note}", priority {rank}, and resolve it with "{cure}"',
        'Open a priority {rank} ticket with title "{title}", description "{note}". Then resolve it with "{cure}"',
        'Make a ticket: title "{title}", description "{note}", priority {rank}. It is solved, resolution "{cure}"',
        'I need a ticket with title "{title}", description "{note}", priority {rank}, resolved with "{cure}"',
    )
    resolving = call("resolve_ticket", ticket_id=result(story.steps, "id"), resolution=cure)
    story.turn(story.phrase(phrases, cure=cure, **ticket._asdict()), ticket.create, resolving)
    story.created = None


RESOLVE: Final = Family(
    "resolve",
    inside,
    (Move(create, 1), Move(_resolve, 1, is_created, weight=3), Move(_create_and_resolve, 2, weight=2)),
)
