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
    phrases = (
        "What is the user id of {name}?",
        "Look up the id of {name}.",
        "Get the user id of {name}.",
        "Find {name}'s user id.",
    )
    story.person = looked_up(story.turn(story.phrase(phrases, name=name), call("get_user_id", user=name)))
    story.sent = False


def look_up_and_send(story: MessageStory) -> None:
    """Ask for a message to somebody by name."""
    name, message = story.fresh.pop(), draw_message(story)
    phrases = (
        'Look up the id of {name} and send the message "{message}"',
        'Send {name} the message "{message}"',
        'Write to {name}: "{message}"',
        'Get the user id of {name}, then send "{message}"',
        'Please tell {name} "{message}"',
    )
    story.person = looked_up(story.steps)
    user = story.phrase(phrases, name=name, message=message)
    story.turn(user, call("get_user_id", user=name), sending(story.person, message))
    story.sent = True


def has_fresh(story: MessageStory) -> bool:
    """Whether there is somebody to look up."""
    return story.logged_in and bool(story.fresh)


def take_back(story: MessageStory) -> None:
    """Ask to delete what was just sent."""
    phrases = (
        "Delete that message again.",
        "Take that message back, delete it.",
        "That was a mistake, delete the last message to them.",
        "Remove the message that I just sent.",
    )
    story.turn(story.phrase(phrases), call("delete_message", receiver_id=story.them))
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
