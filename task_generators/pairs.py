"""Tasks over two backends, in the pairs that BFCL uses: turn about, or with values carried from one to the other."""

from itertools import permutations
from typing import Final

from task_generators.families.homes import home
from task_generators.families.pairs.carry import carries, carry
from task_generators.families.pairs.weave import weave
from task_generators.writing.generator import Domain, Generator

__all__ = ["Pairs"]

PAIRS: Final = tuple(
    (first, second)
    for first in ("GorillaFileSystem", "TradingBot", "TravelAPI", "VehicleControlAPI")
    for second in ("MathAPI", "MessageAPI", "TicketAPI", "TwitterAPI")
)
"""The pairs of BFCL's multi-turn entries: each of four worlds to act in, with each of four to tell of it."""


def _domain(first: str, second: str) -> Domain:
    (_, one), (_, other) = home(first), home(second)
    carried = [carry(source, sink) for source, sink in permutations((first, second)) if carries(source, sink)]
    return Domain((first, second), one.some + other.some, (weave(one.families, other.families), *carried[:1]))


DOMAINS: Final = tuple(_domain(first, second) for first, second in PAIRS)


class Pairs(Generator):
    """Tasks over two of BFCL's backends."""

    domains = DOMAINS
