"""Opening tickets and closing them, by the number that a result supplies."""

from typing import Final

from task_generators.families.tickets.story import TicketStory, create, draw, inside, is_created
from task_generators.writing.story import Family, Move, call, result


def show(story: TicketStory) -> None:
    """Ask for the ticket that was just created."""
    phrases = (
        "Show me that ticket.",
        "Get the details of this ticket.",
        "Let me see it.",
        "How does that ticket look?",
    )
    story.turn(story.phrase(phrases), call("get_ticket", ticket_id=story.it))
    story.shown = True


def _close(story: TicketStory) -> None:
    phrases = (
        "Close that ticket.",
        "It was a mistake, close this ticket.",
        "Please close it.",
        "Now close the ticket.",
    )
    story.turn(story.phrase(phrases), call("close_ticket", ticket_id=story.it))
    story.created = None


def create_and_show(story: TicketStory) -> None:
    """Ask for a new ticket and its details."""
    ticket = draw(story.rng)
    phrases = (
        'Create a priority {rank} ticket with title "{title}" and description "{note}", then get it to check it.',
        'Open a ticket, title "{title}", description "{note}", priority {rank}. Then fetch the ticket.',
        'Make a ticket with title "{title}", description "{note}", priority {rank}, and look it up afterwards.',
        'I need a ticket: title "{title}", description "{note}", priority {rank}. Get its details after that.',
    )
    story.created = story.steps
    looking = call("get_ticket", ticket_id=result(story.created, "id"))
    story.turn(story.phrase(phrases, **ticket._asdict()), ticket.create, looking)
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
