"""What the author of a message task keeps in mind: who is in the workspace, and what has been sent."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.story import Story, call, result

BACKEND: Final = "MessageAPI"

SEARCHABLE: Final = tuple(
    topic
    for topic in words.TOPICS
    if sum(topic in word.lower() for word in (*words.TOPICS, *words.PLACES, *words.NEWS)) == 1
)
"""Topics that no other word of a message contains."""


@dataclass
class MessageStory(Story):
    """What the author knows of the workspace by now."""

    me: str = ""
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
    topics: list[str] = field(default_factory=list)
    """Topics of old messages, each of one message only."""
    logged_in: bool = True

    @property
    def them(self) -> From:
        """The id of the person that the talk is about."""
        assert self.person is not None
        return self.person


def inside(rng: Random) -> MessageStory:
    """A logged-in user, eight others, and four old messages."""
    return _opening(rng, logged_in=True)


def outside(rng: Random) -> MessageStory:
    """The same workspace before anybody has logged in."""
    return _opening(rng, logged_in=False)


def _opening(rng: Random, *, logged_in: bool) -> MessageStory:
    names, first = words.some(rng, words.FIRST_NAMES, 24), rng.randrange(100, 800)
    ids = {name: f"USR{first + place}" for place, name in enumerate(names[:12])}
    topics = words.some(rng, SEARCHABLE, 4)
    old: list[JsonValue] = [{ids[names[place + 1]]: words.news(rng, topic)} for place, topic in enumerate(topics)]
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
        fresh=names[5:12],
        known_ids=[ids[name] for name in names[1:5]],
        strangers=names[12:],
        topics=topics,
        logged_in=logged_in,
    )


def draw_message(story: MessageStory) -> str:
    """Draw what to write. It is about places, so that a search for an old message's topic does not find it."""
    return words.news(story.rng, story.rng.choice(words.PLACES))


def sending(to: From, message: str) -> PlannedCall:
    """Plan a message."""
    return call("send_message", receiver_id=to, message=message)


def send_again(story: MessageStory) -> None:
    """Ask for one more message to the same person."""
    message = draw_message(story)
    phrases = (
        'Send them the message "{message}"',
        'Write to that person: "{message}"',
        'Send this to the same person: "{message}"',
        'Tell them "{message}"',
    )
    story.turn(story.phrase(phrases, message=message), sending(story.them, message))
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
