"""What the author of a sum keeps in mind: the number that the talk is about."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from loop.types import From, PlannedCall
from task_generators.writing.draws import Draws
from task_generators.writing.story import Story, result

BACKEND: Final = "MathAPI"

FOUR: Final = 4
"""So many numbers are summed, averaged and compared: their mean has few digits."""

NEAR: Final = 0.5
"""Share of numbers that are near the one before."""


@dataclass
class MathStory(Story):
    """What has been reckoned by now."""

    words: ClassVar[str] = "maths"

    number: From | None = None
    """Where the number that the talk is about comes from."""
    rounded: bool = False
    pair: int | None = None
    """The first of two steps whose results have been named, the greater one first."""
    sums: set[float] = field(default_factory=set)
    """Sums that other worlds were told: a second folder of one name cannot be made."""

    @property
    def it(self) -> From:
        """The number that the talk is about."""
        assert self.number is not None
        return self.number

    def reckon(self, move: str, /, *plan: PlannedCall, **blanks: Any) -> None:  # noqa: ANN401 - as a sentence may hold
        """Ask for the result of a plan's last call, which the talk is about from now on."""
        self.number, self.rounded, self.pair = result(self.steps + len(plan) - 1, "result"), False, None
        self.add(move, *plan, tells={"result": self.number}, **blanks)


def blank(rng: Draws) -> MathStory:
    """Nothing has been reckoned."""
    return MathStory(rng, {BACKEND: {}})


def value(rng: Draws, beside: float | None = None) -> float:
    """Draw a number that nobody multiplies in their head, often near another one."""
    if beside is not None and rng.random() < NEAR:
        return rng.near(beside, 20) + rng.choice((0.25, 0.5, 0.75))
    return rng.price(20, 900)


def factor(rng: Draws) -> int:
    """Draw a whole number to multiply by."""
    return rng.number(3, 99)


def values(rng: Draws) -> list[float]:
    """Draw four different numbers, some of them near each other."""
    drawn: dict[float, None] = {}
    last: float | None = None
    while len(drawn) < FOUR:
        last = value(rng, last)
        drawn[last] = None
    return list(drawn)


def spelled(numbers: list[float]) -> str:
    """Say a list of numbers."""
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}"


def has_number(story: MathStory) -> bool:
    """Whether the talk is about a number."""
    return story.number is not None
