"""Resolving tickets with what was done, by the number that a result supplies."""

from typing import Final

from task_generators.families.tickets.story import TicketStory, create, draw, inside, is_created
from task_generators.writing.draws import Draws, ValuePool
from task_generators.writing.story import Family, Move, call, result

CURES: Final = ValuePool(
    (
        "Restarted it.",
        "Replaced the part.",
        "Updated it.",
        "Cleaned it.",
        "Reset it.",
        "Changed the cable.",
        "Tightened a screw.",
        "Moved it elsewhere.",
        "Charged the battery.",
        "Ordered a new one.",
        "Removed the dust.",
        "Set the clock.",
    )
)


def _cure(rng: Draws) -> str:
    return f"{rng.one(CURES)} Took {rng.number(2, 90)} minutes."


def _resolve(story: TicketStory) -> None:
    cure = _cure(story.rng)
    resolving = call("resolve_ticket", ticket_id=story.it, resolution=cure)
    story.add("resolve", resolving, names={"number": story.it}, cure=cure)
    story.created = None


def _create_and_resolve(story: TicketStory) -> None:
    ticket, cure, number = draw(story.rng), _cure(story.rng), result(story.steps, "id")
    resolving = call("resolve_ticket", ticket_id=number, resolution=cure)
    story.add("create_and_resolve", ticket.create, resolving, names={"number": number}, cure=cure, **ticket.said)
    story.created = None


RESOLVE: Final = Family(
    "resolve",
    inside,
    (Move(create, 1), Move(_resolve, 1, is_created, weight=3), Move(_create_and_resolve, 2, weight=2)),
)
