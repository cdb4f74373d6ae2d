"""What the author of a ticket task keeps in mind: the queue, and the ticket that the talk is about."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws
from task_generators.writing.story import Story, call, result

BACKEND: Final = "TicketAPI"

OTHERS: Final = frozenset({1, 4})
"""Places in the queue of tickets that others opened."""


class Ticket(NamedTuple):
    """A ticket that the user asks for."""

    title: str
    note: str
    rank: int

    @property
    def create(self) -> PlannedCall:
        """Plan its creation."""
        return call("create_ticket", title=self.title, description=self.note, priority=self.rank)

    @property
    def said(self) -> dict[str, Any]:
        """What fills the blanks of a sentence about it."""
        return self._asdict()


@dataclass
class TicketStory(Story):
    """What the author knows of the queue by now."""

    words: ClassVar[str] = "tickets"

    created: int | None = None
    """The step that created the ticket that the talk is about."""
    shown: bool = False
    listed: int | None = None
    """The step that listed the user's tickets."""
    mine: list[str] = field(default_factory=list)
    """Titles of the user's tickets in the order of the list."""
    waiting: list[int] = field(default_factory=list)
    """Places in the list of tickets that are still open."""
    numbers: list[int] = field(default_factory=list)
    """Numbers of open tickets that the user may name."""
    logged_in: bool = True

    @property
    def it(self) -> From:
        """The number of the ticket that the talk is about."""
        assert self.created is not None
        return result(self.created, "id")


def note(rng: Draws, how: str = "Seen") -> str:
    """Draw where a fault was seen."""
    return f"{how} in room {rng.number(1, 400)}."


def draw(rng: Draws) -> Ticket:
    """Draw a ticket that the user asks for."""
    return Ticket(words.fault(rng), note(rng), rng.randint(1, 5))


def inside(rng: Draws) -> TicketStory:
    """A logged-in user with four tickets in the queue, beside those of others."""
    user, other = rng.some(words.FIRST_NAMES, 2)
    number = rng.number(100, 9000)
    titles = list(dict.fromkeys(words.fault(rng) for _ in range(9)))[:6]
    queue: list[JsonValue] = [
        {
            "id": number + index,
            "title": title,
            "description": note(rng),
            "status": "Open",
            "priority": rng.randint(1, 5),
            "created_by": other if index in OTHERS else user,
        }
        for index, title in enumerate(titles)
    ]
    state: JsonValue = {"ticket_queue": queue, "ticket_counter": number + len(titles), "current_user": user}
    mine = [title for index, title in enumerate(titles) if index not in OTHERS]
    numbers = [number + index for index in range(len(titles))]
    rng.shuffle(numbers)
    return TicketStory(rng, {BACKEND: state}, mine=mine, waiting=list(range(len(mine))), numbers=numbers)


def outside(rng: Draws) -> TicketStory:
    """A user who has to log in, and a ticket of somebody else in the queue."""
    number, ticket = rng.number(100, 9000), draw(rng)
    other: JsonValue = {
        "id": number,
        "title": ticket.title,
        "description": ticket.note,
        "status": "Open",
        "priority": ticket.rank,
        "created_by": rng.one(words.FIRST_NAMES),
    }
    state: JsonValue = {"ticket_queue": [other], "ticket_counter": number + 1, "current_user": None}
    return TicketStory(rng, {BACKEND: state}, logged_in=False)


def create(story: TicketStory) -> None:
    """Ask for a new ticket."""
    ticket, number = draw(story.rng), result(story.steps, "id")
    story.created = story.add("create", ticket.create, names={"number": number}, **ticket.said)
    story.shown = False


def details(step: int) -> dict[str, From]:
    """What a ticket that was got tells."""
    return {"title": result(step, "title"), "rank": result(step, "priority"), "status": result(step, "status")}


def is_created(story: TicketStory) -> bool:
    """Whether the talk is about a ticket that was created."""
    return story.created is not None


def is_inside(story: TicketStory) -> bool:
    """Whether the user is logged in."""
    return story.logged_in
