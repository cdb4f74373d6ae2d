"""Tasks on the ticket system: opening, changing, resolving and closing tickets by numbers that only results supply."""

from typing import Final

from task_generators.families.tickets.edit import EDIT
from task_generators.families.tickets.follow import FOLLOW
from task_generators.families.tickets.login import LOGIN
from task_generators.families.tickets.open import OPEN
from task_generators.families.tickets.queue import QUEUE
from task_generators.families.tickets.resolve import RESOLVE
from task_generators.families.tickets.story import BACKEND
from task_generators.writing.generator import Domain, Generator

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

DOMAIN: Final = Domain((BACKEND,), TOOLS, (OPEN, RESOLVE, EDIT, QUEUE, LOGIN, FOLLOW))


class Tickets(Generator):
    """Tasks on TicketAPI: ticket numbers come from results."""

    domains = (DOMAIN,)
