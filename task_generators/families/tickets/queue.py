"""The user's own tickets: their numbers stand in the list that a result supplies."""

from random import Random
from typing import Final

from task_generators.families.tickets.open import create_and_show
from task_generators.families.tickets.story import TicketStory, inside
from task_generators.writing.story import Family, Move, call, result

ORDINALS: Final = ("first", "second", "third", "fourth")


def _opening(rng: Random) -> TicketStory:
    """The usual queue; what is in it tells one task from another."""
    story = inside(rng)
    story.key = list(story.mine)
    return story


def _list(story: TicketStory) -> None:
    phrases = ("List my tickets.", "Show me all my tickets.", "Which tickets do I have?", "Get my tickets.")
    story.listed = story.turn(story.phrase(phrases), call("get_user_tickets"))


def _close_one(story: TicketStory) -> None:
    place = _take(story)
    phrases = (
        "Close the {which} one of them.",
        'Close the one with the title "{title}".',
        "Please close the {which} ticket of the list.",
        'The ticket "{title}" is done, close it.',
    )
    assert story.listed is not None
    user = story.phrase(phrases, which=ORDINALS[place], title=story.mine[place])
    story.turn(user, call("close_ticket", ticket_id=result(story.listed, place, "id")))


def _rank_one(story: TicketStory) -> None:
    place, rank = _take(story), story.rng.randint(1, 5)
    phrases = (
        "Set the priority of the {which} one to {rank}.",
        'Give the one with the title "{title}" the priority {rank}.',
        "The {which} ticket of the list should have priority {rank}.",
        'Change the priority of "{title}" to {rank}.',
    )
    assert story.listed is not None
    user = story.phrase(phrases, which=ORDINALS[place], title=story.mine[place], rank=rank)
    number = result(story.listed, place, "id")
    story.turn(user, call("edit_ticket", ticket_id=number, updates={"priority": rank}))


def _list_and_close(story: TicketStory) -> None:
    place = _take(story)
    phrases = (
        "List my tickets and close the {which} one.",
        'Get my tickets and close the one with the title "{title}".',
        "Look at my tickets, then close the {which} of them.",
        'Look through my tickets and close "{title}".',
    )
    story.listed = story.steps
    user = story.phrase(phrases, which=ORDINALS[place], title=story.mine[place])
    closing = call("close_ticket", ticket_id=result(story.listed, place, "id"))
    story.turn(user, call("get_user_tickets"), closing)


def _take(story: TicketStory) -> int:
    """Choose an open ticket of the list; nobody asks about it again."""
    place = story.rng.choice(story.waiting)
    story.waiting.remove(place)
    return place


def _is_unlisted(story: TicketStory) -> bool:
    return story.listed is None


def _has_waiting(story: TicketStory) -> bool:
    return story.listed is not None and bool(story.waiting)


QUEUE: Final = Family(
    "queue",
    _opening,
    (
        Move(_list, 1, _is_unlisted, weight=2),
        Move(_close_one, 1, _has_waiting, weight=3),
        Move(_rank_one, 1, _has_waiting, weight=3),
        Move(_list_and_close, 2, _is_unlisted, weight=4),
        Move(create_and_show, 2, lambda story: story.listed is not None),
    ),
)
