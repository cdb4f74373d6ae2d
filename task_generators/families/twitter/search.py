"""Finding tweets by a word or by their author: their numbers come from results."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.twitter.post import can_comment, post, post_and_comment
from task_generators.families.twitter.story import TweetStory, can_retweet, comment, draw_text, inside, retweet
from task_generators.writing.story import Family, Move, call, result


def _search(story: TweetStory) -> None:
    topic = story.topics.pop()
    phrases = (
        'Search for tweets about "{topic}".',
        'Find the tweet with the word "{topic}".',
        'Look for a tweet about "{topic}".',
        'Is there a tweet about "{topic}"?',
    )
    _talk_about(story, story.turn(story.phrase(phrases, topic=topic), call("search_tweets", keyword=topic)))


def _search_and_retweet(story: TweetStory) -> None:
    topic = story.topics.pop()
    phrases = (
        'Search for the tweet about "{topic}" and retweet it.',
        'Find the tweet with the word "{topic}", then retweet it.',
        'Look for a tweet about "{topic}" and retweet the one you find.',
        'Retweet the tweet about "{topic}".',
    )
    searching = call("search_tweets", keyword=topic)
    _with_retweet(story, story.phrase(phrases, topic=topic), searching)


def _search_and_comment(story: TweetStory) -> None:
    topic, text = story.topics.pop(), draw_text(story)
    phrases = (
        'Search for the tweet about "{topic}" and comment on it with "{text}"',
        'Find the tweet with the word "{topic}" and add the comment "{text}"',
        'Look for a tweet about "{topic}", then comment "{text}" on it.',
        'Comment "{text}" on the tweet about "{topic}".',
    )
    searching = call("search_tweets", keyword=topic)
    _with_comment(story, story.phrase(phrases, topic=topic, text=text), searching, text)


def _read(story: TweetStory) -> None:
    author = story.authors.pop()
    phrases = (
        "What did {author} tweet?",
        "Show me the tweets of {author}.",
        "Get {author}'s tweets.",
        "Which tweets has {author} posted?",
    )
    _talk_about(story, story.turn(story.phrase(phrases, author=author), call("get_user_tweets", username=author)))


def _read_and_retweet(story: TweetStory) -> None:
    author = story.authors.pop()
    phrases = (
        "Get the tweets of {author} and retweet the first one.",
        "Look at what {author} tweeted and retweet it.",
        "Find {author}'s tweet, then retweet it.",
        "Retweet the first tweet of {author}.",
    )
    _with_retweet(story, story.phrase(phrases, author=author), call("get_user_tweets", username=author))


def _read_and_comment(story: TweetStory) -> None:
    author, text = story.authors.pop(), draw_text(story)
    phrases = (
        'Get the tweets of {author} and comment on the first one with "{text}"',
        'Look at what {author} tweeted and add the comment "{text}"',
        'Find {author}\'s tweet, then comment "{text}" on it.',
        'Comment "{text}" on the first tweet of {author}.',
    )
    user = story.phrase(phrases, author=author, text=text)
    _with_comment(story, user, call("get_user_tweets", username=author), text)


def _with_retweet(story: TweetStory, user: str, finding: PlannedCall) -> None:
    _talk_about(story, story.steps)
    story.turn(user, finding, call("retweet", tweet_id=story.it))
    story.retweeted = True


def _with_comment(story: TweetStory, user: str, finding: PlannedCall, text: str) -> None:
    _talk_about(story, story.steps)
    story.turn(user, finding, call("comment", tweet_id=story.it, comment_content=text))


def _talk_about(story: TweetStory, step: int) -> None:
    """The talk is about the first tweet that this step finds."""
    story.tweet, story.retweeted = result(step, 0, "id"), False


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
)
