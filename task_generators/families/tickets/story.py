"""What the author of a ticket task keeps in mind: the queue, and the ticket that the talk is about."""

from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.story import Story, call, result

BACKEND: Final = "TicketAPI"


class Ticket(NamedTuple):
    """A ticket that the user asks for."""

    title: str
    note: str
    rank: int

    @property
    def create(self) -> PlannedCall:
        """Plan its creation."""
        return call("create_ticket", title=self.title, description=self.note, priority=self.rank)


@dataclass
class TicketStory(Story):
    """What the author knows of the queue by now."""

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


def draw(rng: Random) -> Ticket:
    """Draw a ticket that the user asks for."""
    return Ticket(words.fault(rng), f"Seen in room {rng.randint(1, 400)}.", rng.randint(1, 5))


def inside(rng: Random) -> TicketStory:
    """A logged-in user with four tickets in the queue, beside those of others."""
    user, other = words.some(rng, words.FIRST_NAMES, 2)
    number = rng.randrange(100, 9000)
    titles = list(dict.fromkeys(words.fault(rng) for _ in range(9)))[:6]
    queue: list[JsonValue] = [
        {
            "id": number + place,
            "title": title,
            "description": f"Seen in room {rng.randint(1, 400)}.",
            "status": "Open",
            "priority": rng.randint(1, 5),
            "created_by": other if place in {1, 4} else user,
        }
        for place, title in enumerate(titles)
    ]
    state: JsonValue = {"ticket_queue": queue, "ticket_counter": number + len(titles), "current_user": user}
    mine = [title for place, title in enumerate(titles) if place not in {1, 4}]
    numbers = [number + place for place in range(len(titles))]
    rng.shuffle(numbers)
    waiting = list(range(len(mine)))
    return TicketStory(rng, {BACKEND: state}, mine=mine, waiting=waiting, numbers=numbers)


def outside(rng: Random) -> TicketStory:
    """A user who has to log in, and an empty queue."""
    state: JsonValue = {"ticket_queue": [], "ticket_counter": rng.randrange(100, 9000), "current_user": None}
    return TicketStory(rng, {BACKEND: state}, logged_in=False)


def create(story: TicketStory) -> None:
    """Ask for a new ticket."""
    ticket = draw(story.rng)
    phrases = (
        'Create a ticket with title "{title}", description "{note}" and priority {rank}.',
        'Open a new ticket: title "{title}", description "{note}", priority {rank}.',
        'Please make a priority {rank} ticket with title "{title}" and description "{note}".',
        'I need a ticket with title "{title}", description "{note}", priority {rank}.',
    )
    story.created = story.turn(story.phrase(phrases, **ticket._asdict()), ticket.create)
    story.shown = False


def is_created(story: TicketStory) -> bool:
    """Whether the talk is about a ticket that was created."""
    return story.created is not None


def is_inside(story: TicketStory) -> bool:
    """Whether the user is logged in."""
    return story.logged_in
