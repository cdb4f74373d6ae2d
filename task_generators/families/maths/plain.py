"""Single operations, one or two a turn: everything stands in the user's words."""

from typing import Final

from task_generators.families.maths.chain import add_two, multiply_two
from task_generators.families.maths.story import MathStory, blank, value
from task_generators.writing.story import Family, Move, call


def _subtract(story: MathStory) -> None:
    a, b = value(story.rng), value(story.rng)
    phrases = ("Subtract {b} from {a}.", "What is {a} minus {b}?", "Take {b} away from {a}.", "How much is {a} - {b}?")
    story.turn(story.phrase(phrases, a=a, b=b), call("subtract", a=a, b=b))


def _divide(story: MathStory) -> None:
    a, b = value(story.rng), story.rng.choice((2, 4, 5, 8))
    phrases = (
        "Divide {a} by {b}.",
        "What is {a} divided by {b}?",
        "Split {a} into {b} equal parts.",
        "How much is {a} / {b}?",
    )
    story.turn(story.phrase(phrases, a=a, b=b), call("divide", a=a, b=b))


def _sum_and_product(story: MathStory) -> None:
    a, b, c, d = value(story.rng), value(story.rng), value(story.rng), story.rng.randint(3, 99)
    phrases = (
        "What is {a} plus {b}, and what is {c} times {d}?",
        "Add {a} and {b}. Also multiply {c} by {d}.",
        "Work out {a} + {b} and {c} * {d}.",
        "I need two results: {a} plus {b}, and {c} multiplied by {d}.",
    )
    story.turn(story.phrase(phrases, a=a, b=b, c=c, d=d), call("add", a=a, b=b), call("multiply", a=c, b=d))


PLAIN: Final = Family(
    "plain",
    blank,
    (
        Move(add_two, 1),
        Move(multiply_two, 1),
        Move(_subtract, 1),
        Move(_divide, 1),
        Move(_sum_and_product, 2, weight=2),
    ),
)
