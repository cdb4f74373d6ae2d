"""Sums: what to reckon on with comes from results."""

from typing import Final

from task_generators.families.maths.chain import CHAIN, TOTAL
from task_generators.families.maths.mean import MEAN, SHARE
from task_generators.families.maths.plain import PLAIN
from task_generators.families.maths.spread import SPREAD
from task_generators.families.maths.story import BACKEND
from task_generators.writing.generator import Domain, Generator

__all__ = ["Maths"]

TOOLS: Final = (
    "add",
    "subtract",
    "multiply",
    "divide",
    "sum_values",
    "mean",
    "max_value",
    "min_value",
    "percentage",
    "round_number",
)

DOMAIN: Final = Domain((BACKEND,), TOOLS, (PLAIN, CHAIN, TOTAL, MEAN, SHARE, SPREAD))


class Maths(Generator):
    """Tasks on MathAPI: the next operation's input is the last one's result."""

    domains = (DOMAIN,)
