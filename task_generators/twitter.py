"""Tasks on Twitter: numbers of tweets and names on lists come from results."""

from typing import Final

from task_generators.families.twitter.follow import FOLLOW
from task_generators.families.twitter.login import LOGIN
from task_generators.families.twitter.post import MENTION, POST
from task_generators.families.twitter.search import READ, SEARCH
from task_generators.families.twitter.story import BACKEND, TweetStory
from task_generators.writing.generator import Generator
from task_generators.writing.story import Family

__all__ = ["Twitter"]

TOOLS: Final = (
    "post_tweet",
    "comment",
    "retweet",
    "mention",
    "search_tweets",
    "get_user_tweets",
    "follow_user",
    "unfollow_user",
    "list_all_following",
    "authenticate_twitter",
)


class Twitter(Generator):
    """Tasks on TwitterAPI: numbers of tweets come from results."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "twitter"

    @property
    def backends(self) -> tuple[str, ...]:
        """The network alone."""
        return (BACKEND,)

    @property
    def some(self) -> tuple[str, ...]:
        """The tools that the families need."""
        return TOOLS

    @property
    def families(self) -> tuple[Family[TweetStory], ...]:
        """The kinds of task."""
        return POST, MENTION, FOLLOW, SEARCH, READ, LOGIN
