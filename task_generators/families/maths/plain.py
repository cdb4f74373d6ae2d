"""Single operations, one or two a turn: everything stands in the user's words."""

from typing import Final

from task_generators.families.maths.chain import add_two, multiply_two
from task_generators.families.maths.story import MathStory, blank, factor, value
from task_generators.writing.story import Family, Move, call, result


def _subtract(story: MathStory) -> None:
    a = value(story.rng)
    b = value(story.rng, a)
    story.reckon("subtract", call("subtract", a=a, b=b), a=a, b=b)


def _divide(story: MathStory) -> None:
    a, b = value(story.rng), story.rng.choice((2, 4, 5, 8))
    story.reckon("divide", call("divide", a=a, b=b), a=a, b=b)


def _sum_and_product(story: MathStory) -> None:
    a, c, d = value(story.rng), value(story.rng), factor(story.rng)
    b = value(story.rng, a)
    tells = {"sum": result(story.steps, "result"), "product": result(story.steps + 1, "result")}
    steps = call("add", a=a, b=b), call("multiply", a=c, b=d)
    story.add("sum_and_product", *steps, tells=tells, a=a, b=b, c=c, d=d)


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
