"""Posting, and commenting on what was posted by the number that a result supplies."""

from typing import Final

from task_generators.families.twitter.story import (
    TweetStory,
    comment,
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
    phrases = ('Post the tweet "{text}"', 'Tweet "{text}"', 'Please post "{text}"', 'Write a tweet: "{text}"')
    story.tweet = result(story.turn(story.phrase(phrases, text=text), posting(text)), "id")
    story.retweeted = True


def _post_with_tag(story: TweetStory) -> None:
    text, tag = draw_text(story), f"#{story.rng.choice(words.TOPICS)}"
    phrases = (
        'Post the tweet "{text}" with the tag {tag}.',
        'Tweet "{text}" and tag it {tag}.',
        'Please post "{text}" under the tag {tag}.',
        'Write a tweet "{text}" with tag {tag}.',
    )
    step = story.turn(story.phrase(phrases, text=text, tag=tag), call("post_tweet", content=text, tags=[tag]))
    story.tweet, story.retweeted = result(step, "id"), True


def post_and_comment(story: TweetStory) -> None:
    """Ask for a tweet and a comment on it."""
    text, remark = draw_text(story), draw_text(story)
    phrases = (
        'Post the tweet "{text}" and comment on it with "{remark}"',
        'Tweet "{text}" and then add the comment "{remark}" to it.',
        'Please post "{text}" Then comment "{remark}" on that tweet.',
        'Write a tweet: "{text}" Comment on it: "{remark}"',
    )
    story.tweet, story.retweeted = result(story.steps, "id"), True
    commenting = call("comment", tweet_id=story.tweet, comment_content=remark)
    story.turn(story.phrase(phrases, text=text, remark=remark), posting(text), commenting)


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
    phrases = (
        "Now mention {name} in that tweet.",
        "Add a mention of {name} to it.",
        "Mention {name} in the tweet that I just posted.",
        "That tweet should mention {name} too.",
    )
    user = story.phrase(phrases, name=name)
    story.turn(user, call("mention", tweet_id=story.it, mentioned_usernames=[name]))


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
