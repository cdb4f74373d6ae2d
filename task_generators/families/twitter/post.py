"""Posting, and commenting on what was posted by the number that a result supplies."""

from typing import Final

from task_generators.families.twitter.story import (
    TweetStory,
    comment,
    commenting,
    draw_text,
    has_tweet,
    inside,
    is_inside,
    posting,
)
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def post(story: TweetStory) -> None:
    """Ask for a tweet."""
    text = draw_text(story)
    _talk_about_it(story)
    story.add("post", posting(text), names={"number": story.it}, text=text)


def _post_with_tag(story: TweetStory) -> None:
    text, tag = draw_text(story), f"#{story.rng.one(words.TOPICS)}"
    _talk_about_it(story)
    story.add("post_with_tag", call("post_tweet", content=text, tags=[tag]), text=text, tag=tag)


def post_and_comment(story: TweetStory) -> None:
    """Ask for a tweet and a comment on it."""
    text, remark = draw_text(story), draw_text(story)
    _talk_about_it(story)
    story.add("post_and_comment", posting(text), commenting(story.it, remark), text=text, remark=remark)


def _talk_about_it(story: TweetStory) -> None:
    """The talk is about the tweet that the next step posts."""
    story.tweet, story.retweeted = result(story.steps, "id"), True


def can_comment(story: TweetStory) -> bool:
    """Whether the talk is about a tweet, and the user is logged in."""
    return has_tweet(story) and is_inside(story)


POST: Final = Family(
    "post",
    inside,
    (
        Move(post, 1),
        Move(_post_with_tag, 1),
        Move(comment, 1, can_comment, weight=3),
        Move(post_and_comment, 2, weight=3),
    ),
)


def _mention(story: TweetStory) -> None:
    name = f"@{story.strangers.pop()}"
    story.add("mention", call("mention", tweet_id=story.it, mentioned_usernames=[name]), name=name)


MENTION: Final = Family(
    "mention",
    inside,
    (
        Move(post, 1),
        Move(_post_with_tag, 1),
        Move(_mention, 1, lambda story: has_tweet(story) and bool(story.strangers), weight=4),
        Move(post_and_comment, 2, weight=2),
    ),
)
