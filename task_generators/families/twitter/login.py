"""Logging in before posting."""

from typing import Any, Final

from loop.types import PlannedCall
from task_generators.families.twitter.post import can_comment, post, post_and_comment
from task_generators.families.twitter.story import TweetStory, comment, draw_text, is_inside, outside, posting
from task_generators.writing.story import Family, Move, call, result


def _log_in(story: TweetStory) -> None:
    story.add("log_in", _login(story), name=story.me, password=story.password)
    story.logged_in = True


def _log_in_and_post(story: TweetStory) -> None:
    text = draw_text(story)
    said: dict[str, Any] = {"name": story.me, "password": story.password, "text": text}
    step = story.add_both("log_in", "and_post", _login(story), posting(text), **said)
    story.tweet, story.retweeted, story.logged_in = result(step, "id"), True, True


def _login(story: TweetStory) -> PlannedCall:
    return call("authenticate_twitter", username=story.me, password=story.password)


def _is_outside(story: TweetStory) -> bool:
    return not story.logged_in


LOGIN: Final = Family(
    "login",
    outside,
    (
        Move(_log_in, 1, _is_outside),
        Move(_log_in_and_post, 2, _is_outside, weight=3),
        Move(post, 1, is_inside),
        Move(comment, 1, can_comment, weight=2),
        Move(post_and_comment, 2, is_inside, weight=2),
    ),
)
