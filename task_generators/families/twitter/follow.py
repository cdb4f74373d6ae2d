"""Following and unfollowing: who stands where in the list, only a result tells."""

from typing import Final

from task_generators.families.twitter.story import TweetStory, inside
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, call, result

PLACES: Final = ("first", "second", "third")


def _opening(rng: Draws) -> TweetStory:
    """The usual network; whom the user follows tells one task from another."""
    story = inside(rng)
    story.key = list(story.following)
    return story


def _follow(story: TweetStory) -> None:
    name = story.strangers.pop()
    story.add("follow", call("follow_user", username_to_follow=name), name=name)
    story.seen = None


def _list(story: TweetStory) -> None:
    names = result(story.steps, "following_list")
    story.seen = story.add("list", call("list_all_following"), tells={"names": names})


def _drop(story: TweetStory) -> None:
    assert story.seen is not None
    place = story.rng.randrange(min(len(PLACES), len(story.following)))
    name = result(story.seen, "following_list", place)
    story.add("drop", call("unfollow_user", username_to_unfollow=name), names={"name": name}, which=PLACES[place])
    story.following.pop(place)
    story.seen = None


def _list_and_drop(story: TweetStory) -> None:
    place = story.rng.randrange(min(len(PLACES), len(story.following)))
    name = result(story.steps, "following_list", place)
    steps = call("list_all_following"), call("unfollow_user", username_to_unfollow=name)
    story.add("list_and_drop", *steps, names={"name": name}, which=PLACES[place])
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
