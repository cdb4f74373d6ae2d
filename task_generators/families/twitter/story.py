"""What the author of a Twitter task keeps in mind: the tweets, who follows whom, and what the talk is about."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.story import Story, call

BACKEND: Final = "TwitterAPI"

SEARCHABLE: Final = tuple(
    topic
    for topic in words.TOPICS
    if sum(topic in word.lower() for word in (*words.TOPICS, *words.PLACES, *words.NEWS)) == 1
)
"""Topics that no other word of a tweet contains."""


@dataclass
class TweetStory(Story):
    """What the author knows of the network by now."""

    me: str = ""
    password: str = ""
    tweet: From | None = None
    """Where the number of the tweet that the talk is about comes from."""
    retweeted: bool = False
    authors: list[str] = field(default_factory=list)
    """Authors of one tweet each, whom nobody has asked about."""
    topics: list[str] = field(default_factory=list)
    """Topics of one tweet each, that nobody has asked about."""
    numbers: list[int] = field(default_factory=list)
    """Numbers of tweets that the user may name."""
    strangers: list[str] = field(default_factory=list)
    """Names that the user does not follow."""
    following: list[str] = field(default_factory=list)
    """What is left of the first list of those whom the user follows. New ones come after it."""
    seen: int | None = None
    """The step that listed them as they are now."""
    logged_in: bool = True

    @property
    def it(self) -> From:
        """The number of the tweet that the talk is about."""
        assert self.tweet is not None
        return self.tweet


def inside(rng: Random) -> TweetStory:
    """A logged-in user who follows five people, and eight tweets by different people about different things."""
    return _opening(rng, logged_in=True)


def outside(rng: Random) -> TweetStory:
    """The same before anybody has logged in."""
    return _opening(rng, logged_in=False)


def _opening(rng: Random, *, logged_in: bool) -> TweetStory:
    names = [f"{name.lower()}{rng.randint(10, 99)}" for name in words.some(rng, words.FIRST_NAMES, 24)]
    me, authors, following = names[0], names[1:9], names[9:14]
    password = f"{rng.choice(words.TOPICS)}{rng.randint(10, 99)}"
    topics, first = words.some(rng, SEARCHABLE, len(authors)), rng.randrange(100, 9000)
    tweets: dict[str, JsonValue] = {
        str(first + place): {
            "id": first + place,
            "username": author,
            "content": words.news(rng, topic),
            "tags": [],
            "mentions": [],
        }
        for place, (author, topic) in enumerate(zip(authors, topics, strict=True))
    }
    state: dict[str, JsonValue] = {
        "username": me,
        "password": password,
        "authenticated": logged_in,
        "tweets": tweets,
        "comments": {},
        "retweets": {},
        "following_list": list(following),
        "tweet_counter": first + len(authors),
    }
    return TweetStory(
        rng,
        {BACKEND: state},
        me=me,
        password=password,
        authors=authors[:4],
        topics=topics[4:],
        numbers=[first + place for place in range(len(authors))],
        strangers=names[14:],
        following=following,
        logged_in=logged_in,
    )


def draw_text(story: TweetStory) -> str:
    """Draw what to write. It is about places, so that a search for an old tweet's topic does not find it."""
    return words.news(story.rng, story.rng.choice(words.PLACES))


def posting(text: str) -> PlannedCall:
    """Plan a tweet."""
    return call("post_tweet", content=text)


def is_inside(story: TweetStory) -> bool:
    """Whether the user is logged in."""
    return story.logged_in


def has_tweet(story: TweetStory) -> bool:
    """Whether the talk is about a tweet."""
    return story.tweet is not None


def retweet(story: TweetStory) -> None:
    """Ask to retweet what the talk is about."""
    phrases = ("Retweet it.", "Retweet that tweet.", "Please retweet this tweet.", "Good, retweet that one.")
    story.turn(story.phrase(phrases), call("retweet", tweet_id=story.it))
    story.retweeted = True


def comment(story: TweetStory) -> None:
    """Ask to comment on what the talk is about."""
    text = draw_text(story)
    phrases = (
        'Comment on that tweet with "{text}"',
        'Add the comment "{text}" to it.',
        'Write "{text}" as a comment on that tweet.',
        'Comment "{text}" on it.',
    )
    story.turn(story.phrase(phrases, text=text), call("comment", tweet_id=story.it, comment_content=text))


def can_retweet(story: TweetStory) -> bool:
    """Whether the talk is about a tweet of somebody else that was not retweeted."""
    return story.tweet is not None and not story.retweeted
