"""Changing tickets, by the number that a result supplies."""

from typing import Final

from task_generators.families.tickets.open import create_and_show, is_unseen, show
from task_generators.families.tickets.story import TicketStory, create, inside, is_created
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call


def _rank(story: TicketStory) -> None:
    rank = story.rng.randint(1, 5)
    editing = call("edit_ticket", ticket_id=story.it, updates={"priority": rank})
    story.add("rank", editing, names={"number": story.it}, rank=rank)
    story.shown = False


def _title(story: TicketStory) -> None:
    title = words.fault(story.rng)
    editing = call("edit_ticket", ticket_id=story.it, updates={"title": title})
    story.add("title", editing, names={"number": story.it}, title=title)
    story.shown = False


EDIT: Final = Family(
    "edit",
    inside,
    (
        Move(create, 1),
        Move(_rank, 1, is_created, weight=2),
        Move(_title, 1, is_created, weight=2),
        Move(show, 1, is_unseen),
        Move(create_and_show, 2, weight=2),
    ),
)
