"""Sending messages to people by name: the id comes from a result."""

from typing import Final

from task_generators.families.messages.story import (
    MessageStory,
    draw_message,
    has_person,
    inside,
    is_inside,
    looked_up,
    send_again,
    sending,
)
from task_generators.writing.story import Family, Move, call


def look_up(story: MessageStory) -> None:
    """Ask for somebody's id."""
    name = story.fresh.pop()
    story.person, story.sent = looked_up(story.steps), False
    story.add("look_up", call("get_user_id", user=name), tells={"id": story.person}, name=name)


def look_up_and_send(story: MessageStory) -> None:
    """Ask for a message to somebody by name."""
    name, message = story.fresh.pop(), draw_message(story)
    story.person = looked_up(story.steps)
    steps = call("get_user_id", user=name), sending(story.person, message)
    story.add("look_up_and_send", *steps, name=name, message=message)
    story.outbox.append(story.ids[name])
    story.sent = True


def has_fresh(story: MessageStory) -> bool:
    """Whether there is somebody to look up."""
    return story.logged_in and bool(story.fresh)


def take_back(story: MessageStory) -> None:
    """Ask to delete what was just sent."""
    story.add("take_back", call("delete_message", receiver_id=story.them))
    story.sent = False


def has_sent(story: MessageStory) -> bool:
    """Whether there is a message to take back."""
    return story.sent


def can_write(story: MessageStory) -> bool:
    """Whether the talk is about somebody, and the user is logged in."""
    return has_person(story) and is_inside(story)


SEND: Final = Family(
    "send",
    inside,
    (
        Move(look_up, 1, has_fresh),
        Move(send_again, 1, can_write, weight=3),
        Move(look_up_and_send, 2, has_fresh, weight=3),
    ),
)

UNDO: Final = Family(
    "undo",
    inside,
    (
        Move(look_up, 1, has_fresh),
        Move(send_again, 1, can_write),
        Move(take_back, 1, has_sent, weight=3),
        Move(look_up_and_send, 2, has_fresh, weight=3),
    ),
)
