"""Opening tickets and closing them, by the number that a result supplies."""

from typing import Final

from task_generators.families.tickets.story import TicketStory, create, details, draw, inside, is_created
from task_generators.writing.story import Family, Move, call


def show(story: TicketStory) -> None:
    """Ask for the ticket that was just created."""
    story.add("show", call("get_ticket", ticket_id=story.it), tells=details(story.steps))
    story.shown = True


def _close(story: TicketStory) -> None:
    story.add("close", call("close_ticket", ticket_id=story.it), names={"number": story.it})
    story.created = None


def create_and_show(story: TicketStory) -> None:
    """Ask for a new ticket and its details."""
    ticket, story.created = draw(story.rng), story.steps
    looking = call("get_ticket", ticket_id=story.it)
    story.add("create_and_show", ticket.create, looking, tells=details(story.steps + 1), **ticket.said)
    story.shown = True


def is_unseen(story: TicketStory) -> bool:
    """Whether the ticket that was created has not been shown as it is now."""
    return story.created is not None and not story.shown


OPEN: Final = Family(
    "open",
    inside,
    (
        Move(create, 1),
        Move(show, 1, is_unseen),
        Move(_close, 1, is_created, weight=2),
        Move(create_and_show, 2, weight=2),
    ),
)
