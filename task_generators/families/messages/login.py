"""Logging in by name: the id that it takes comes from a result."""

from typing import Final

from task_generators.families.messages.send import can_write, has_fresh, look_up_and_send
from task_generators.families.messages.story import MessageStory, looked_up, outside, send_again
from task_generators.writing.story import Family, Move, call


def _find_me(story: MessageStory) -> None:
    phrases = (
        "I am {name}. What is my user id?",
        "Look up the user id of {name}, that is me.",
        "My name is {name}, get my user id.",
        "Find my user id, I am {name}.",
    )
    step = story.turn(story.phrase(phrases, name=story.me), call("get_user_id", user=story.me))
    story.person = looked_up(step)
    story.me = ""


def _log_in(story: MessageStory) -> None:
    phrases = ("Now log me in.", "Log me in with that id.", "Log in as that user.", "Use this id to log me in.")
    story.turn(story.phrase(phrases), call("message_login", user_id=story.them))
    story.logged_in, story.person = True, None


def _find_and_log_in(story: MessageStory) -> None:
    phrases = (
        "I am {name}. Look up my user id and log me in.",
        "Log me in, my name is {name}.",
        "Find the user id of {name} and log in with it.",
        "Get my id and log me in, I am {name}.",
    )
    user = story.phrase(phrases, name=story.me)
    login = call("message_login", user_id=looked_up(story.steps))
    story.turn(user, call("get_user_id", user=story.me), login)
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
