"""Reckoning on with what came out."""

from typing import Final

from task_generators.families.maths.story import MathStory, blank, factor, has_number, spelled, value, values
from task_generators.writing.story import Family, Move, call, result


def add_two(story: MathStory) -> None:
    """Ask for a sum of two numbers."""
    a = value(story.rng)
    b = value(story.rng, a)
    story.reckon("add_two", call("add", a=a, b=b), a=a, b=b)


def multiply_two(story: MathStory) -> None:
    """Ask for a product of two numbers."""
    a, b = value(story.rng), factor(story.rng)
    story.reckon("multiply_two", call("multiply", a=a, b=b), a=a, b=b)


def multiply_it(story: MathStory) -> None:
    """Ask for a multiple of what came out."""
    b = factor(story.rng)
    story.reckon("multiply_it", call("multiply", a=story.it, b=b), b=b)


def subtract_from_it(story: MathStory) -> None:
    """Ask what is left of what came out."""
    b = value(story.rng)
    story.reckon("subtract_from_it", call("subtract", a=story.it, b=b), b=b)


def _add_and_multiply(story: MathStory) -> None:
    a, c = value(story.rng), factor(story.rng)
    b = value(story.rng, a)
    steps = call("add", a=a, b=b), call("multiply", a=result(story.steps, "result"), b=c)
    story.reckon("add_and_multiply", *steps, a=a, b=b, c=c, sum=a + b)


def _multiply_and_subtract(story: MathStory) -> None:
    a, b = value(story.rng), factor(story.rng)
    c = value(story.rng, a)
    steps = call("multiply", a=a, b=b), call("subtract", a=result(story.steps, "result"), b=c)
    story.reckon("multiply_and_subtract", *steps, a=a, b=b, c=c, product=a * b)


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
    story.reckon("add_up", call("sum_values", numbers=[*numbers]), numbers=spelled(numbers))


def _add_up_and_multiply(story: MathStory) -> None:
    numbers, b = values(story.rng), factor(story.rng)
    steps = call("sum_values", numbers=[*numbers]), call("multiply", a=result(story.steps, "result"), b=b)
    story.reckon("add_up_and_multiply", *steps, numbers=spelled(numbers), b=b, sum=sum(numbers))


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
