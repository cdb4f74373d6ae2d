"""The greatest, the smallest and what lies between: the numbers to subtract come from results."""

from typing import Final

from task_generators.families.maths.chain import multiply_it
from task_generators.families.maths.story import MathStory, blank, has_number, spelled, values
from task_generators.writing.story import Family, Move, call, result


def _ends(story: MathStory) -> None:
    numbers = values(story.rng)
    phrases = (
        "What are the largest and the smallest of {numbers}?",
        "Find the maximum and the minimum of {numbers}.",
        "Get the largest of {numbers}, and the smallest.",
        "Which of {numbers} is the largest, and which the smallest?",
    )
    user, first = story.phrase(phrases, numbers=spelled(numbers)), story.steps
    story.turn(user, call("max_value", numbers=[*numbers]), call("min_value", numbers=[*numbers]))
    story.number, story.pair = None, first


def _between(story: MathStory) -> None:
    assert story.pair is not None
    phrases = (
        "Subtract the smallest from the largest.",
        "What is the difference between the two?",
        "Now subtract the smaller one from the larger one.",
        "How far are they apart? Subtract them.",
    )
    a, b = result(story.pair, "result"), result(story.pair + 1, "result")
    story.about(story.turn(story.phrase(phrases), call("subtract", a=a, b=b)))


def _spread(story: MathStory) -> None:
    numbers, first = values(story.rng), story.steps
    phrases = (
        "Find the largest and the smallest of {numbers} and subtract the smallest from the largest.",
        "Get the maximum and the minimum of {numbers}, then the difference between them.",
        "What is the range of {numbers}: the largest, the smallest, and the largest minus the smallest?",
        "Take the largest of {numbers}, then the smallest, and subtract the smallest from the largest.",
    )
    a, b = result(first, "result"), result(first + 1, "result")
    step = story.turn(
        story.phrase(phrases, numbers=spelled(numbers)),
        call("max_value", numbers=[*numbers]),
        call("min_value", numbers=[*numbers]),
        call("subtract", a=a, b=b),
    )
    story.about(step)


def _largest(story: MathStory) -> None:
    numbers = values(story.rng)
    phrases = (
        "What is the largest of {numbers}?",
        "Find the maximum of {numbers}.",
        "Tell me the largest of {numbers}.",
        "Which of {numbers} is the largest?",
    )
    user = story.phrase(phrases, numbers=spelled(numbers))
    story.about(story.turn(user, call("max_value", numbers=[*numbers])))


SPREAD: Final = Family(
    "spread",
    blank,
    (
        Move(_largest, 1),
        Move(_between, 1, lambda story: story.pair is not None, weight=5),
        Move(multiply_it, 1, has_number),
        Move(_ends, 2, weight=2),
        Move(_spread, 3, weight=2),
    ),
)
