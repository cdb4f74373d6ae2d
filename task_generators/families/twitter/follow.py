"""Following and unfollowing: who stands where in the list, only a result tells."""

from random import Random
from typing import Final

from task_generators.families.twitter.story import TweetStory, inside
from task_generators.writing.story import Family, Move, call, result

PLACES: Final = ("first", "second", "third")


def _opening(rng: Random) -> TweetStory:
    """The usual network; whom the user follows tells one task from another."""
    story = inside(rng)
    story.key = list(story.following)
    return story


def _follow(story: TweetStory) -> None:
    name = story.strangers.pop()
    phrases = (
        "Follow {name}.",
        "I want to follow {name}.",
        "Please follow the user {name}.",
        "Start following {name}.",
    )
    story.turn(story.phrase(phrases, name=name), call("follow_user", username_to_follow=name))
    story.seen = None


def _list(story: TweetStory) -> None:
    phrases = (
        "Whom do I follow?",
        "List everyone I follow.",
        "Show me whom I am following.",
        "Who is on my following list?",
    )
    story.seen = story.turn(story.phrase(phrases), call("list_all_following"))


def _drop(story: TweetStory) -> None:
    assert story.seen is not None
    place = story.rng.randrange(min(len(PLACES), len(story.following)))
    phrases = (
        "Unfollow the {which} one.",
        "Stop following the {which} one of them.",
        "I no longer want to follow the {which} one on the list.",
        "Now unfollow the {which} user of that list.",
    )
    name = result(story.seen, "following_list", place)
    story.turn(story.phrase(phrases, which=PLACES[place]), call("unfollow_user", username_to_unfollow=name))
    story.following.pop(place)
    story.seen = None


def _list_and_drop(story: TweetStory) -> None:
    place = story.rng.randrange(min(len(PLACES), len(story.following)))
    phrases = (
        "List everyone I follow and unfollow the {which} one.",
        "Look at my following list and unfollow the {which} user on it.",
        "Check whom I follow, then stop following the {which} one.",
        "Get the list of those I follow and unfollow the {which} of them.",
    )
    dropping = call("unfollow_user", username_to_unfollow=result(story.steps, "following_list", place))
    story.turn(story.phrase(phrases, which=PLACES[place]), call("list_all_following"), dropping)
    story.following.pop(place)
    story.seen = None


FOLLOW: Final = Family(
    "follow",
    _opening,
    (
        Move(_follow, 1, lambda story: bool(story.strangers)),
        Move(_list, 1, lambda story: story.seen is None),
        Move(_drop, 1, lambda story: story.seen is not None and bool(story.following), weight=3),
        Move(_list_and_drop, 2, lambda story: story.seen is None and bool(story.following), weight=4),
    ),
)
