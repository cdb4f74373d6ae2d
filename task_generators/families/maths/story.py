"""What the author of a sum keeps in mind: the number that the talk is about."""

from dataclasses import dataclass
from random import Random
from typing import Final

from loop.types import From
from task_generators.writing.story import Story, result

BACKEND: Final = "MathAPI"


@dataclass
class MathStory(Story):
    """What has been reckoned by now."""

    number: From | None = None
    """Where the number that the talk is about comes from."""
    rounded: bool = False
    pair: int | None = None
    """The first of two steps whose results have been named, the greater one first."""

    @property
    def it(self) -> From:
        """The number that the talk is about."""
        assert self.number is not None
        return self.number

    def about(self, step: int) -> None:
        """From now on the talk is about what this step returned."""
        self.number, self.rounded, self.pair = result(step, "result"), False, None


def blank(rng: Random) -> MathStory:
    """Nothing has been reckoned."""
    return MathStory(rng, {BACKEND: {}})


def value(rng: Random) -> float:
    """Draw a number that nobody multiplies in their head."""
    return rng.randint(20, 900) + rng.choice((0.25, 0.5, 0.75))


def values(rng: Random) -> list[float]:
    """Draw four different numbers: their mean has few digits."""
    drawn: dict[float, None] = {}
    while len(drawn) < 4:  # noqa: PLR2004 - four
        drawn[value(rng)] = None
    return list(drawn)


def spelled(numbers: list[float]) -> str:
    """Say a list of numbers."""
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}"


def has_number(story: MathStory) -> bool:
    """Whether the talk is about a number."""
    return story.number is not None
