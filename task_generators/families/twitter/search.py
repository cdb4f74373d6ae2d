"""Finding tweets by a word or by their author: their numbers come from results."""

from typing import Final

from loop.types import From
from task_generators.families.twitter.post import can_comment, post, post_and_comment
from task_generators.families.twitter.story import (
    TweetStory,
    can_retweet,
    comment,
    commenting,
    draw_text,
    inside,
    retweet,
)
from task_generators.writing.story import Family, Move, call, result


def _search(story: TweetStory) -> None:
    topic, text = story.topics.pop(), _tweet(story)["text"]
    story.add("search", call("search_tweets", keyword=topic), tells={"text": text}, topic=topic)


def _search_and_retweet(story: TweetStory) -> None:
    topic, tweet = story.topics.pop(), _tweet(story)
    steps = call("search_tweets", keyword=topic), call("retweet", tweet_id=story.it)
    story.add("search_and_retweet", *steps, names=tweet, topic=topic)
    story.retweeted = True


def _search_and_comment(story: TweetStory) -> None:
    topic, remark, tweet = story.topics.pop(), draw_text(story), _tweet(story)
    steps = call("search_tweets", keyword=topic), commenting(story.it, remark)
    story.add("search_and_comment", *steps, names=tweet, topic=topic, remark=remark)


def _read(story: TweetStory) -> None:
    author, text = story.authors.pop(), _tweet(story)["text"]
    story.add("read", call("get_user_tweets", username=author), tells={"text": text}, author=author)


def _read_and_retweet(story: TweetStory) -> None:
    author, text = story.authors.pop(), _tweet(story)["text"]
    steps = call("get_user_tweets", username=author), call("retweet", tweet_id=story.it)
    story.add("read_and_retweet", *steps, names={"text": text}, author=author)
    story.retweeted = True


def _read_and_comment(story: TweetStory) -> None:
    author, remark = story.authors.pop(), draw_text(story)
    _tweet(story)
    steps = call("get_user_tweets", username=author), commenting(story.it, remark)
    story.add("read_and_comment", *steps, author=author, remark=remark)


def _tweet(story: TweetStory) -> dict[str, From]:
    """Name author and text of the first tweet that the next step finds, which the talk is about from then on."""
    story.tweet, story.retweeted = result(story.steps, 0, "id"), False
    return {"author": result(story.steps, 0, "username"), "text": result(story.steps, 0, "content")}


def _has_topic(story: TweetStory) -> bool:
    return bool(story.topics)


def _has_author(story: TweetStory) -> bool:
    return bool(story.authors)


def _has_begun(story: TweetStory) -> bool:
    return story.steps > 0


SEARCH: Final = Family(
    "search",
    inside,
    (
        Move(_search, 1, _has_topic),
        Move(retweet, 1, can_retweet, weight=2),
        Move(comment, 1, can_comment, weight=2),
        Move(_search_and_retweet, 2, _has_topic, weight=2),
        Move(_search_and_comment, 2, _has_topic, weight=2),
        Move(post_and_comment, 2, _has_begun),
    ),
)

READ: Final = Family(
    "read",
    inside,
    (
        Move(_read, 1, _has_author),
        Move(retweet, 1, can_retweet, weight=2),
        Move(comment, 1, can_comment, weight=2),
        Move(post, 1, _has_begun),
        Move(_read_and_retweet, 2, _has_author, weight=2),
        Move(_read_and_comment, 2, _has_author, weight=2),
        Move(post_and_comment, 2, _has_begun),
    ),
    unseen=True,
)
