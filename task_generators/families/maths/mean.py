"""Means and shares, rounded: what to round, a result tells."""

from typing import Final

from task_generators.families.maths.story import FOUR, MathStory, blank, spelled, values
from task_generators.writing.story import Family, Move, call, result


def _mean(story: MathStory) -> None:
    numbers = values(story.rng)
    story.reckon("mean", call("mean", numbers=[*numbers]), numbers=spelled(numbers))


def _round_it(story: MathStory) -> None:
    places = story.rng.choice((1, 2))
    story.reckon("round_it", call("round_number", number=story.it, decimal_places=places), places=places)
    story.rounded = True


def _mean_rounded(story: MathStory) -> None:
    numbers, places = values(story.rng), story.rng.choice((1, 2))
    rounding = call("round_number", number=result(story.steps, "result"), decimal_places=places)
    said = {"numbers": spelled(numbers), "places": places, "mean": sum(numbers) / FOUR}
    story.reckon("mean_rounded", call("mean", numbers=[*numbers]), rounding, **said)
    story.rounded = True


def _can_round(story: MathStory) -> bool:
    return story.number is not None and not story.rounded


MEAN: Final = Family(
    "mean",
    blank,
    (Move(_mean, 1), Move(_round_it, 1, _can_round, weight=3), Move(_mean_rounded, 2, weight=3)),
)

SHORT: Final = 7
"""Digits of a share that is not too long to be read."""


def _part(story: MathStory) -> tuple[int, int]:
    """Draw a part and a whole whose share has few digits, yet more than two."""
    while True:
        whole = story.rng.choice((64, 80, 160, 320, 640, 128, 400, 800, 1600))
        part = story.rng.number(3, whole - 1)
        if (
            len(str(100 * part / whole).partition(".")[2]) in range(3, SHORT)
            and part / whole * 100 == 100 * part / whole
        ):
            return part, whole


def _share(story: MathStory) -> None:
    part, whole = _part(story)
    story.reckon("share", call("percentage", part=part, whole=whole), part=part, whole=whole)


def _share_rounded(story: MathStory) -> None:
    (part, whole), places = _part(story), story.rng.choice((1, 2))
    rounding = call("round_number", number=result(story.steps, "result"), decimal_places=places)
    said = {"part": part, "whole": whole, "places": places, "exact": 100 * part / whole}
    story.reckon("share_rounded", call("percentage", part=part, whole=whole), rounding, **said)
    story.rounded = True


SHARE: Final = Family(
    "share",
    blank,
    (Move(_share, 1), Move(_round_it, 1, _can_round, weight=3), Move(_share_rounded, 2, weight=3)),
)
