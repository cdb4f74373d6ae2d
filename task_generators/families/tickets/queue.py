"""The user's own tickets: their numbers stand in the list that a result supplies."""

from typing import Any, Final

from loop.types import From
from task_generators.families.tickets.open import create_and_show
from task_generators.families.tickets.story import TicketStory, inside
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, call, result

ORDINALS: Final = ("first", "second", "third", "fourth")


def _opening(rng: Draws) -> TicketStory:
    """The usual queue; what is in it tells one task from another."""
    story = inside(rng)
    story.key = list(story.mine)
    return story


def _list(story: TicketStory) -> None:
    titles = tuple(result(story.steps, index, "title") for index in range(len(story.mine)))
    story.listed = story.add("list", call("get_user_tickets"), tells={"titles": titles})


def _close_one(story: TicketStory) -> None:
    how, number, said = _taken(story, "close")
    story.add(how, call("close_ticket", ticket_id=number), names={"number": number}, **said)


def _rank_one(story: TicketStory) -> None:
    rank = story.rng.randint(1, 5)
    how, number, said = _taken(story, "rank")
    editing = call("edit_ticket", ticket_id=number, updates={"priority": rank})
    story.add(how, editing, names={"number": number}, rank=rank, **said)


def _list_and_close(story: TicketStory) -> None:
    story.listed = story.steps
    _, number, said = _taken(story, "close")
    closing = call("close_ticket", ticket_id=number)
    story.add("list_and_close", call("get_user_tickets"), closing, names={"number": number}, **said)


def _taken(story: TicketStory, what: str) -> tuple[str, From, dict[str, Any]]:
    """Choose an open ticket of the list, which nobody asks about again, and call it by its place or by its title."""
    assert story.listed is not None
    place = story.rng.choice(story.waiting)
    story.waiting.remove(place)
    number = result(story.listed, place, "id")
    said = {"which": ORDINALS[place], "title": story.mine[place]}
    return f"{what}_{story.rng.choice(('one', 'titled'))}", number, said


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
