"""Carrying a value from one backend to the other: what one names, the other is told."""

from dataclasses import dataclass
from random import Random
from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.pairs.values import NUMBERS, SIDES, WANTS_NUMBERS, Found
from task_generators.writing.story import Family, Move, Story, result


@dataclass
class Carried(Story):
    """Two stories; values go from the first to the second."""

    source: Story | None = None
    sink: Story | None = None
    passed: bool = False
    """Whether a value went over."""
    found: From | None = None
    """The value of the last turn, where nothing has been done with it."""


def carries(source: str, sink: str) -> bool:
    """Whether a value of the one backend can be told the other."""
    return SIDES[source].find is not None and (sink not in WANTS_NUMBERS or source in NUMBERS)


def carry(source: str, sink: str) -> Family[Carried]:
    """Let the one backend find values, and tell them the other."""
    text = source in NUMBERS and sink not in WANTS_NUMBERS

    def opening(rng: Random) -> Carried:
        first, second = SIDES[source].opening(rng), SIDES[sink].opening(rng)
        return Carried(rng, first.initial | second.initial, source=first, sink=second)

    def found(story: Carried) -> Found:
        find = SIDES[source].find
        assert find is not None
        return find(story.source)

    def value(step: int, path: tuple[str, ...]) -> From:
        return result(step, *path, rule="text" if text else "same")

    def look(story: Carried) -> None:
        words, find, path = found(story)
        phrases = ("What is {words}?", "Look up {words}.", "Find out {words}.", "Tell me {words}.")
        step = story.turn(_asked(story, phrases, words), find)
        story.found = value(step, path)

    def pass_on(story: Carried) -> None:
        assert story.found is not None
        words, told = _told(story, sink, story.found)
        story.turn(
            story.phrase(("Now {words}.", "Good, {words}.", "Please {words}.", "Then {words}."), words=words), told
        )
        story.found, story.passed = None, True

    def look_and_pass_on(story: Carried) -> None:
        words, find, path = found(story)
        telling, told = _told(story, sink, value(story.steps, path))
        phrases = (
            "Look up {words} and {telling}.",
            "Find out {words}, then {telling}.",
            "Get {words} and then {telling}.",
            "I need {words}. Look it up, then {telling}.",
        )
        story.turn(_asked(story, phrases, words, telling=telling), find, told)
        story.found, story.passed = None, True

    def ready(story: Carried) -> bool:
        check = SIDES[source].ready
        return check is not None and check(story.source)

    moves = (
        Move(look, 1, ready),
        Move(pass_on, 1, lambda story: story.found is not None, weight=6),
        Move(look_and_pass_on, 2, ready, weight=3),
    )
    return Family(_NAME, opening, moves, sound=lambda story: story.passed)


_NAME: Final = "carry"


def _asked(story: Story, phrases: tuple[str, ...], words: str, telling: str = "") -> str:
    """Ask in words that fit: what a file says is no thing that is."""
    fitting = [phrase for phrase in phrases if not (words.startswith("what") and phrase.startswith(("What", "I need")))]
    return story.phrase(fitting, words=words, telling=telling)


def _told(story: Carried, sink: str, value: From) -> tuple[str, PlannedCall]:
    tell = SIDES[sink].tell
    assert tell is not None
    return tell(story.sink, value)
