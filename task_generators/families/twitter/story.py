"""What the author of a Twitter task keeps in mind: the tweets, who follows whom, and what the talk is about."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws
from task_generators.writing.story import Story, call

BACKEND: Final = "TwitterAPI"


@dataclass
class TweetStory(Story):
    """What the author knows of the network by now."""

    words: ClassVar[str] = "twitter"

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


def inside(rng: Draws) -> TweetStory:
    """A logged-in user who follows five people, and eight tweets by different people about different things."""
    return _opening(rng, logged_in=True)


def outside(rng: Draws) -> TweetStory:
    """The same before anybody has logged in."""
    return _opening(rng, logged_in=False)


def _opening(rng: Draws, *, logged_in: bool) -> TweetStory:
    names = [f"{name.lower()}{rng.randint(10, 99)}" for name in rng.alike(words.FIRST_NAMES, 24)]
    me, authors, following = names[0], names[1:9], names[9:14]
    password = f"{rng.one(words.TOPICS)}{rng.number(10, 99)}"
    topics, first = rng.some(words.SEARCHABLE, len(authors)), rng.number(100, 9000)
    tweets: dict[str, JsonValue] = {
        str(first + index): {
            "id": first + index,
            "username": author,
            "content": words.news(rng, topic),
            "tags": [],
            "mentions": [],
        }
        for index, (author, topic) in enumerate(zip(authors, topics, strict=True))
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
        numbers=[first + index for index in range(len(authors))],
        strangers=names[14:],
        following=following,
        logged_in=logged_in,
    )


def draw_text(story: TweetStory) -> str:
    """Draw what to write. It is about places, so that a search for an old tweet's topic does not find it."""
    return words.news(story.rng, story.rng.one(words.PLACES))


def posting(text: str) -> PlannedCall:
    """Plan a tweet."""
    return call("post_tweet", content=text)


def commenting(tweet: From, text: str) -> PlannedCall:
    """Plan a comment."""
    return call("comment", tweet_id=tweet, comment_content=text)


def is_inside(story: TweetStory) -> bool:
    """Whether the user is logged in."""
    return story.logged_in


def has_tweet(story: TweetStory) -> bool:
    """Whether the talk is about a tweet."""
    return story.tweet is not None


def retweet(story: TweetStory) -> None:
    """Ask to retweet what the talk is about."""
    story.add("retweet", call("retweet", tweet_id=story.it))
    story.retweeted = True


def comment(story: TweetStory) -> None:
    """Ask to comment on what the talk is about."""
    text = draw_text(story)
    story.add("comment", commenting(story.it, text), text=text)


def can_retweet(story: TweetStory) -> bool:
    """Whether the talk is about a tweet of somebody else that was not retweeted."""
    return story.tweet is not None and not story.retweeted
