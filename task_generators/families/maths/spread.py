"""The greatest, the smallest and what lies between. Never trained: a suite's own family."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.maths.chain import multiply_it
from task_generators.families.maths.story import MathStory, blank, has_number, spelled, values
from task_generators.writing.story import Family, Move, call, result


def _ends(story: MathStory) -> None:
    numbers, first = values(story.rng), story.steps
    tells = {"high": result(first, "result"), "low": result(first + 1, "result")}
    story.add("ends", *_finding(numbers), tells=tells, numbers=spelled(numbers))
    story.number, story.pair = None, first


def _between(story: MathStory) -> None:
    assert story.pair is not None
    story.reckon("between", _subtracting(story.pair))


def _spread(story: MathStory) -> None:
    numbers = values(story.rng)
    said = {"numbers": spelled(numbers), "high": max(numbers), "low": min(numbers)}
    story.reckon("spread", *_finding(numbers), _subtracting(story.steps), **said)


def _largest(story: MathStory) -> None:
    numbers = values(story.rng)
    story.reckon("largest", call("max_value", numbers=[*numbers]), numbers=spelled(numbers))


def _finding(numbers: list[float]) -> tuple[PlannedCall, PlannedCall]:
    return call("max_value", numbers=[*numbers]), call("min_value", numbers=[*numbers])


def _subtracting(first: int) -> PlannedCall:
    return call("subtract", a=result(first, "result"), b=result(first + 1, "result"))


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
    unseen=True,
)
