"""Following up on tickets: what the new one repeats of the old one, only a result tells."""

from typing import Final

from task_generators.families.tickets.story import TicketStory, inside
from task_generators.writing.story import Family, Move, call, result


def _show(story: TicketStory) -> None:
    number = story.numbers.pop()
    phrases = (
        "Show me ticket {number}.",
        "What is ticket {number} about?",
        "Get the details of ticket {number}.",
        "Look up ticket {number}.",
    )
    story.listed = story.turn(story.phrase(phrases, number=number), call("get_ticket", ticket_id=number))


def _repeat_it(story: TicketStory) -> None:
    assert story.listed is not None
    note, rank = f"Seen again in room {story.rng.randint(1, 400)}.", story.rng.randint(1, 5)
    phrases = (
        'Create a new ticket with the same title, description "{note}" and priority {rank}.',
        'Open another one with that title, description "{note}", priority {rank}.',
        'It happened again: make a ticket with that title, description "{note}" and priority {rank}.',
    )
    title = result(story.listed, "title")
    user = story.phrase(phrases, note=note, rank=rank)
    story.turn(user, call("create_ticket", title=title, description=note, priority=rank))
    story.listed = None


def _follow(story: TicketStory) -> None:
    number, note = story.numbers.pop(), f"Seen again in room {story.rng.randint(1, 400)}."
    phrases = (
        'Look up ticket {number} and create one with the same title and priority, description "{note}".',
        'Get ticket {number} and open a new ticket with its title and its priority, description "{note}".',
        'Repeat ticket {number}: look it up, then create one with that title and priority, description "{note}".',
        'Ticket {number} is back. Look it up and make one with the same title and priority, description "{note}".',
    )
    title, rank = result(story.steps, "title"), result(story.steps, "priority")
    story.turn(
        story.phrase(phrases, number=number, note=note),
        call("get_ticket", ticket_id=number),
        call("create_ticket", title=title, description=note, priority=rank),
    )
    story.listed = None


def _close(story: TicketStory) -> None:
    number = story.numbers.pop()
    phrases = (
        "Close ticket {number}.",
        "Ticket {number} is done, close it.",
        "Please close ticket {number}.",
        "Ticket {number} can be closed.",
    )
    story.turn(story.phrase(phrases, number=number), call("close_ticket", ticket_id=number))
    story.listed = None


def _has_number(story: TicketStory) -> bool:
    return bool(story.numbers)


FOLLOW: Final = Family(
    "follow",
    inside,
    (
        Move(_show, 1, _has_number),
        Move(_repeat_it, 1, lambda story: story.listed is not None, weight=5),
        Move(_follow, 2, _has_number, weight=4),
        Move(_close, 1, _has_number),
    ),
)
