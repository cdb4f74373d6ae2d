"""Tasks on the ticket system: opening, changing, resolving and closing tickets by numbers that only results supply."""

from typing import Final

from task_generators.families.tickets.edit import EDIT
from task_generators.families.tickets.follow import FOLLOW
from task_generators.families.tickets.login import LOGIN
from task_generators.families.tickets.open import OPEN
from task_generators.families.tickets.queue import QUEUE
from task_generators.families.tickets.resolve import RESOLVE
from task_generators.families.tickets.story import BACKEND, TicketStory
from task_generators.writing.generator import Generator
from task_generators.writing.story import Family

__all__ = ["Tickets"]

TOOLS: Final = (
    "create_ticket",
    "get_ticket",
    "edit_ticket",
    "resolve_ticket",
    "close_ticket",
    "get_user_tickets",
    "ticket_login",
    "logout",
)


class Tickets(Generator):
    """Tasks on TicketAPI: ticket numbers come from results."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "tickets"

    @property
    def backends(self) -> tuple[str, ...]:
        """The ticket system alone."""
        return (BACKEND,)

    @property
    def some(self) -> tuple[str, ...]:
        """The tools that the families need."""
        return TOOLS

    @property
    def families(self) -> tuple[Family[TicketStory], ...]:
        """The kinds of task."""
        return OPEN, RESOLVE, EDIT, QUEUE, LOGIN, FOLLOW
