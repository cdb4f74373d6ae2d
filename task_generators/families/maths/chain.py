"""Reckoning on with what came out."""

from typing import Final

from task_generators.families.maths.story import MathStory, blank, has_number, spelled, value, values
from task_generators.writing.story import Family, Move, call, result


def add_two(story: MathStory) -> None:
    """Ask for a sum of two numbers."""
    a, b = value(story.rng), value(story.rng)
    phrases = (
        "Add {a} and {b}.",
        "What is {a} plus {b}?",
        "Work out the sum of {a} and {b}.",
        "How much is {a} + {b}?",
    )
    story.about(story.turn(story.phrase(phrases, a=a, b=b), call("add", a=a, b=b)))


def multiply_two(story: MathStory) -> None:
    """Ask for a product of two numbers."""
    a, b = value(story.rng), story.rng.randint(3, 99)
    phrases = (
        "Multiply {a} by {b}.",
        "What is {a} times {b}?",
        "Work out {a} multiplied by {b}.",
        "How much is {a} * {b}?",
    )
    story.about(story.turn(story.phrase(phrases, a=a, b=b), call("multiply", a=a, b=b)))


def multiply_it(story: MathStory) -> None:
    """Ask for a multiple of what came out."""
    b = story.rng.randint(3, 99)
    phrases = ("Multiply that by {b}.", "Now times {b}.", "What is that times {b}?", "Multiply the result by {b}.")
    story.about(story.turn(story.phrase(phrases, b=b), call("multiply", a=story.it, b=b)))


def subtract_from_it(story: MathStory) -> None:
    """Ask what is left of what came out."""
    b = value(story.rng)
    phrases = (
        "Subtract {b} from that.",
        "Now take away {b}.",
        "What is that minus {b}?",
        "Subtract {b} from the result.",
    )
    story.about(story.turn(story.phrase(phrases, b=b), call("subtract", a=story.it, b=b)))


def _add_and_multiply(story: MathStory) -> None:
    a, b, c = value(story.rng), value(story.rng), story.rng.randint(3, 99)
    phrases = (
        "Add {a} and {b}, then multiply the result by {c}.",
        "First add {a} and {b}, then multiply by {c}.",
        "Work out {a} plus {b} and multiply the sum by {c}.",
        "Take the sum of {a} and {b}. Multiply it by {c}.",
    )
    multiplying = call("multiply", a=result(story.steps, "result"), b=c)
    story.about(story.turn(story.phrase(phrases, a=a, b=b, c=c), call("add", a=a, b=b), multiplying))


def _multiply_and_subtract(story: MathStory) -> None:
    a, b, c = value(story.rng), story.rng.randint(3, 99), value(story.rng)
    phrases = (
        "Multiply {a} by {b}, then subtract {c} from the result.",
        "First multiply {a} by {b}, then take away {c}.",
        "Work out {a} times {b} and subtract {c} from it.",
        "Take the product of {a} and {b}. Subtract {c} from it.",
    )
    subtracting = call("subtract", a=result(story.steps, "result"), b=c)
    story.about(story.turn(story.phrase(phrases, a=a, b=b, c=c), call("multiply", a=a, b=b), subtracting))


CHAIN: Final = Family(
    "chain",
    blank,
    (
        Move(add_two, 1),
        Move(multiply_two, 1),
        Move(multiply_it, 1, has_number, weight=2),
        Move(subtract_from_it, 1, has_number, weight=2),
        Move(_add_and_multiply, 2, weight=2),
        Move(_multiply_and_subtract, 2, weight=2),
    ),
)


def _add_up(story: MathStory) -> None:
    numbers = values(story.rng)
    phrases = (
        "Add up {numbers}.",
        "What is the sum of {numbers}?",
        "Sum the values {numbers}.",
        "What is the total of {numbers}?",
    )
    user = story.phrase(phrases, numbers=spelled(numbers))
    story.about(story.turn(user, call("sum_values", numbers=[*numbers])))


def _add_up_and_multiply(story: MathStory) -> None:
    numbers, b = values(story.rng), story.rng.randint(3, 99)
    phrases = (
        "Add up {numbers}, then multiply the total by {b}.",
        "Sum the values {numbers} and multiply the sum by {b}.",
        "What is the total of {numbers}? Multiply it by {b}.",
        "Take the sum of {numbers} and multiply it by {b}.",
    )
    multiplying = call("multiply", a=result(story.steps, "result"), b=b)
    user = story.phrase(phrases, numbers=spelled(numbers), b=b)
    story.about(story.turn(user, call("sum_values", numbers=[*numbers]), multiplying))


TOTAL: Final = Family(
    "total",
    blank,
    (
        Move(_add_up, 1),
        Move(multiply_it, 1, has_number),
        Move(subtract_from_it, 1, has_number),
        Move(_add_up_and_multiply, 2, weight=3),
    ),
)
