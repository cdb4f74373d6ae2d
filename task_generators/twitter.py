"""Tasks on Twitter: numbers of tweets and names on lists come from results."""

from typing import Final

from task_generators.families.twitter.follow import FOLLOW
from task_generators.families.twitter.login import LOGIN
from task_generators.families.twitter.post import MENTION, POST
from task_generators.families.twitter.search import READ, SEARCH
from task_generators.families.twitter.story import BACKEND
from task_generators.writing.generator import Domain, Generator

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

DOMAIN: Final = Domain((BACKEND,), TOOLS, (POST, MENTION, FOLLOW, SEARCH, READ, LOGIN))


class Twitter(Generator):
    """Tasks on TwitterAPI: numbers of tweets come from results."""

    domains = (DOMAIN,)
