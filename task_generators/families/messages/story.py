"""What the author of a message task keeps in mind: who is in the workspace, and what has been sent."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws
from task_generators.writing.story import Story, call, result

BACKEND: Final = "MessageAPI"


@dataclass
class MessageStory(Story):
    """What the author knows of the workspace by now."""

    words: ClassVar[str] = "messages"

    me: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    """The ids of those who were here from the beginning, by name."""
    fresh: list[str] = field(default_factory=list)
    """Users whose ids nobody has asked for."""
    known_ids: list[str] = field(default_factory=list)
    """Ids that the user may name."""
    strangers: list[str] = field(default_factory=list)
    """Names that are not in the workspace."""
    person: From | None = None
    """Where the id of the person that the talk is about comes from."""
    sent: bool = False
    """Whether that person has a message that could be taken back."""
    outbox: list[str] = field(default_factory=list)
    """The ids of those who got a message, in order."""
    topics: list[str] = field(default_factory=list)
    """Topics of old messages, each of one message only."""
    logged_in: bool = True

    @property
    def them(self) -> From:
        """The id of the person that the talk is about."""
        assert self.person is not None
        return self.person

    def outgoing(self, step: int) -> tuple[From, ...]:
        """The messages that this step shows, of all that have been sent."""
        sent = [(who, self.outbox[:index].count(who)) for index, who in enumerate(self.outbox)]
        return tuple(result(step, "messages", who, number) for who, number in sent)


def inside(rng: Draws) -> MessageStory:
    """A logged-in user, eleven others, and four old messages."""
    return _opening(rng, logged_in=True)


def outside(rng: Draws) -> MessageStory:
    """The same workspace before anybody has logged in."""
    return _opening(rng, logged_in=False)


def _opening(rng: Draws, *, logged_in: bool) -> MessageStory:
    names, first = rng.alike(words.FIRST_NAMES, 24), rng.number(100, 800)
    ids = {name: f"USR{first + index}" for index, name in enumerate(names[:12])}
    topics = rng.some(words.SEARCHABLE, 4)
    receivers = [ids[names[index + 1]] for index in range(len(topics))]
    old: list[JsonValue] = [{who: words.news(rng, topic)} for who, topic in zip(receivers, topics, strict=True)]
    state: dict[str, JsonValue] = {
        "user_count": first + 11,
        "user_map": dict(ids),
        "inbox": old,
        "message_count": len(old),
        "current_user": ids[names[0]] if logged_in else None,
        "random_seed": rng.randrange(10**6),
    }
    return MessageStory(
        rng,
        {BACKEND: state},
        me=names[0],
        ids=ids,
        fresh=names[5:12],
        known_ids=receivers,
        strangers=names[12:],
        outbox=list(receivers),
        topics=topics,
        logged_in=logged_in,
    )


def draw_message(story: MessageStory) -> str:
    """Draw what to write. It is about places, so that a search for an old message's topic does not find it."""
    return words.news(story.rng, story.rng.one(words.PLACES))


def sending(to: From, message: str) -> PlannedCall:
    """Plan a message."""
    return call("send_message", receiver_id=to, message=message)


def send_again(story: MessageStory) -> None:
    """Ask for one more message to the same person."""
    message = draw_message(story)
    story.add("send_again", sending(story.them, message), message=message)
    story.sent = True


def has_person(story: MessageStory) -> bool:
    """Whether the talk is about somebody."""
    return story.person is not None


def is_inside(story: MessageStory) -> bool:
    """Whether the user is logged in."""
    return story.logged_in


def looked_up(step: int) -> From:
    """The id that looking a user up returns."""
    return result(step, "user_id")
