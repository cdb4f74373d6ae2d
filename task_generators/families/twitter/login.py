"""Logging in before posting."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.twitter.post import can_comment, post, post_and_comment
from task_generators.families.twitter.story import TweetStory, comment, draw_text, is_inside, outside, posting
from task_generators.writing.story import Family, Move, call, result


def _log_in(story: TweetStory) -> None:
    phrases = (
        "Log me in as {name} with the password {password}.",
        "I am {name}, my password is {password}. Log me in.",
        "Please log in as {name}, password {password}.",
        "Log in with user name {name} and password {password}.",
    )
    story.turn(story.phrase(phrases, name=story.me, password=story.password), _login(story))
    story.logged_in = True


def _log_in_and_post(story: TweetStory) -> None:
    text = draw_text(story)
    phrases = (
        'Log in as {name} with the password {password} and post the tweet "{text}"',
        'I am {name}, password {password}. Log me in and tweet "{text}"',
        'Please log in as {name}, password {password}, then post "{text}"',
        'Log in with user name {name} and password {password}. Then tweet "{text}"',
    )
    user = story.phrase(phrases, name=story.me, password=story.password, text=text)
    story.turn(user, _login(story), posting(text))
    story.tweet, story.retweeted = result(story.steps - 1, "id"), True
    story.logged_in = True


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
