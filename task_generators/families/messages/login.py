"""Logging in by name: the id that it takes comes from a result."""

from typing import Final

from task_generators.families.messages.send import can_write, has_fresh, look_up_and_send
from task_generators.families.messages.story import MessageStory, looked_up, outside, send_again
from task_generators.writing.story import Family, Move, call


def _find_me(story: MessageStory) -> None:
    story.person = looked_up(story.steps)
    story.add("find_me", call("get_user_id", user=story.me), tells={"id": story.person}, name=story.me)
    story.me = ""


def _log_in(story: MessageStory) -> None:
    story.add("log_in", call("message_login", user_id=story.them), names={"id": story.them})
    story.logged_in, story.person = True, None


def _find_and_log_in(story: MessageStory) -> None:
    me = looked_up(story.steps)
    steps = call("get_user_id", user=story.me), call("message_login", user_id=me)
    story.add("find_and_log_in", *steps, names={"id": me}, name=story.me)
    story.logged_in, story.me = True, ""


LOGIN: Final = Family(
    "login",
    outside,
    (
        Move(_find_me, 1, lambda story: bool(story.me)),
        Move(_log_in, 1, lambda story: not story.me and not story.logged_in, weight=9),
        Move(_find_and_log_in, 2, lambda story: bool(story.me), weight=3),
        Move(look_up_and_send, 2, has_fresh, weight=3),
        Move(send_again, 1, can_write, weight=2),
    ),
)
