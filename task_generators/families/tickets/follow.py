"""Following up on tickets: what the new one repeats of the old one, only a result tells. A suite's own family."""

from typing import Final

from task_generators.families.tickets.story import TicketStory, inside, note
from task_generators.writing.story import Family, Move, call, result


def _show(story: TicketStory) -> None:
    number = story.numbers.pop()
    tells = {"title": result(story.steps, "title"), "rank": result(story.steps, "priority")}
    story.listed = story.add("show_number", call("get_ticket", ticket_id=number), tells=tells, number=number)


def _repeat_it(story: TicketStory) -> None:
    assert story.listed is not None
    text, rank, title = note(story.rng, "Seen again"), story.rng.randint(1, 5), result(story.listed, "title")
    creating = call("create_ticket", title=title, description=text, priority=rank)
    names = {"title": title, "other": result(story.steps, "id")}
    story.add("repeat_it", creating, names=names, note=text, rank=rank)
    story.listed = None


def _follow(story: TicketStory) -> None:
    number, text = story.numbers.pop(), note(story.rng, "Seen again")
    title, rank = result(story.steps, "title"), result(story.steps, "priority")
    steps = (
        call("get_ticket", ticket_id=number),
        call("create_ticket", title=title, description=text, priority=rank),
    )
    names = {"title": title, "rank": rank, "other": result(story.steps + 1, "id")}
    story.add("follow", *steps, names=names, number=number, note=text)
    story.listed = None


def _close(story: TicketStory) -> None:
    number = story.numbers.pop()
    story.add("close_number", call("close_ticket", ticket_id=number), number=number)
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
    unseen=True,
)
