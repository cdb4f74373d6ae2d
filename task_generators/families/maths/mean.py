"""Means and shares, rounded: what to round, a result tells."""

from typing import Final

from task_generators.families.maths.story import MathStory, blank, spelled, values
from task_generators.writing.story import Family, Move, call, result


def _mean(story: MathStory) -> None:
    numbers = values(story.rng)
    phrases = (
        "What is the mean of {numbers}?",
        "Work out the average of {numbers}.",
        "Get the mean of the values {numbers}.",
        "What do {numbers} come to on average?",
    )
    user = story.phrase(phrases, numbers=spelled(numbers))
    story.about(story.turn(user, call("mean", numbers=[*numbers])))


def _round_it(story: MathStory) -> None:
    places = story.rng.choice((1, 2))
    phrases = (
        "Round it to {places} decimal places.",
        "Round that to {places} decimal places.",
        "Now round the result to {places} decimal places.",
        "Give me that with {places} decimal places, rounded.",
    )
    story.turn(story.phrase(phrases, places=places), call("round_number", number=story.it, decimal_places=places))
    story.rounded = True


def _mean_rounded(story: MathStory) -> None:
    numbers, places = values(story.rng), story.rng.choice((1, 2))
    phrases = (
        "What is the mean of {numbers}, rounded to {places} decimal places?",
        "Work out the average of {numbers} and round it to {places} decimal places.",
        "Get the mean of {numbers}, then round the result to {places} decimal places.",
        "Average {numbers}. Round that to {places} decimal places.",
    )
    user = story.phrase(phrases, numbers=spelled(numbers), places=places)
    rounding = call("round_number", number=result(story.steps, "result"), decimal_places=places)
    story.about(story.turn(user, call("mean", numbers=[*numbers]), rounding))
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
        part = story.rng.randrange(3, whole)
        if (
            len(str(100 * part / whole).partition(".")[2]) in range(3, SHORT)
            and part / whole * 100 == 100 * part / whole
        ):
            return part, whole


def _share(story: MathStory) -> None:
    part, whole = _part(story)
    phrases = (
        "What percentage is {part} of {whole}?",
        "How many percent of {whole} is {part}?",
        "Work out what percentage of {whole} makes {part}.",
        "{part} out of {whole}, what percentage is that?",
    )
    story.about(story.turn(story.phrase(phrases, part=part, whole=whole), call("percentage", part=part, whole=whole)))


def _share_rounded(story: MathStory) -> None:
    (part, whole), places = _part(story), story.rng.choice((1, 2))
    phrases = (
        "What percentage is {part} of {whole}, rounded to {places} decimal places?",
        "Work out what percentage of {whole} makes {part} and round it to {places} decimal places.",
        "{part} out of {whole}, what percentage is that? Round it to {places} decimal places.",
        "Get the percentage of {part} in {whole}, then round the result to {places} decimal places.",
    )
    user = story.phrase(phrases, part=part, whole=whole, places=places)
    rounding = call("round_number", number=result(story.steps, "result"), decimal_places=places)
    story.about(story.turn(user, call("percentage", part=part, whole=whole), rounding))
    story.rounded = True


SHARE: Final = Family(
    "share",
    blank,
    (Move(_share, 1), Move(_round_it, 1, _can_round, weight=3), Move(_share_rounded, 2, weight=3)),
)
