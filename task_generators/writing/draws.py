"""Random draws of values. A quarter of every pool, and of all numbers, is for suites alone: training never shows it."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")

QUARTER: Final = 4
"""One of so many values is for suites alone: of numbers, those that leave one when divided by it."""

FEW: Final = 8
"""Ranges of fewer numbers are no pool: training and suites share them."""

BESIDE: Final = 0.5
"""Share of the members drawn that bring their neighbour along."""

FIRST_DAY: Final = date(2025, 1, 1)
DAYS: Final = 1095


class ValuePool(Generic[T]):
    """Values to draw from; which of them are for suites alone, their digests say."""

    def __init__(self, members: Iterable[T]) -> None:
        """Split the members: the order in which they are given does not matter for it."""
        self.all: tuple[T, ...] = tuple(members)
        order = sorted(self.all, key=lambda member: sha256(str(member).encode()).digest())
        kept = set(map(str, order[: len(order) // QUARTER]))
        self.suites: tuple[T, ...] = tuple(member for member in self.all if str(member) in kept)
        self.training: tuple[T, ...] = tuple(member for member in self.all if str(member) not in kept)

    @classmethod
    def of(cls, text: str) -> "ValuePool[str]":
        """Make a pool of the words of a text."""
        return ValuePool(text.split())


class Draws(Random):
    """The random numbers of one task, and whether it is a suite's."""

    suites: bool = False

    def choice(self, seq: "SupportsLenAndGetItem[T]") -> T:
        """Draw an item: as `random.Random` does, in a third of the time."""
        return seq[int(self.random() * len(seq))]

    def randint(self, a: int, b: int) -> int:
        """Draw a whole number of a..b, both included."""
        return a + int(self.random() * (b - a + 1))

    def distinct(self, below: int, count: int) -> list[int]:
        """Draw `count` different whole numbers of 0..below, the last one not included."""
        if count * 3 > below:
            return self.sample(range(below), count)
        drawn: dict[int, None] = {}
        while len(drawn) < count:
            drawn[int(self.random() * below)] = None
        return list(drawn)

    def one(self, pool: ValuePool[T]) -> T:
        """Draw a member."""
        return self.choice(pool.suites if self.suites else pool.training)

    def some(self, pool: ValuePool[T], count: int) -> list[T]:
        """Draw `count` different members. A suite's come from its own quarter; where that is too small, from all."""
        share = self._share(pool, count)
        return [share[index] for index in self.distinct(len(share), count)]

    def alike(self, pool: ValuePool[T], count: int) -> list[T]:
        """Draw `count` different members, many of them beside their neighbour in the order of the pool.

        Pools of names are in the order of the alphabet, so neighbours are easily mistaken for each other.
        """
        share = self._share(pool, count)
        drawn: dict[T, None] = {}
        for index in self.distinct(len(share), count):
            drawn[share[index]] = None
            if index + 1 < len(share) and self.random() < BESIDE:
                drawn[share[index + 1]] = None
            if len(drawn) >= count:
                break
        return list(drawn)[:count]

    def _share(self, pool: ValuePool[T], count: int) -> Sequence[T]:
        if not self.suites:
            return pool.training
        return pool.suites if count <= len(pool.suites) else pool.all

    def number(self, low: int, high: int) -> int:
        """Draw a whole number of low..high that belongs to the task's split."""
        drawn = self.randint(low, high)
        if high - low < FEW:
            return drawn
        rest = drawn % QUARTER
        if self.suites:
            moved = drawn - rest + 1
            return moved + QUARTER if moved < low else moved - QUARTER if moved > high else moved
        return drawn if rest != 1 else drawn + 1 if drawn < high else drawn - 1

    def near(self, value: float, least: int = 2) -> int:
        """Draw a whole number near another one, so that the two could be mistaken for each other."""
        whole = max(int(value), least)
        return self.number(max(least, whole - FEW), whole + FEW)

    def digits(self, length: int) -> str:
        """Draw a number of so many digits, as text."""
        return str(self.number(10 ** (length - 1), 10**length - 1))

    def price(self, low: int = 10, high: int = 900) -> float:
        """Draw a price that is no whole number: 250 and 250.0 would be two spellings of one value."""
        return self.number(low, high - 1) + self.choice((0.25, 0.5, 0.75))

    def day(self) -> str:
        """Draw a date of 2025 to 2027, as YYYY-MM-DD."""
        return (FIRST_DAY + timedelta(days=self.number(0, DAYS - 1))).isoformat()


def draws(seed: str, *, suites: bool = False) -> Draws:
    """Begin the draws of one task."""
    begun = Draws(seed)
    begun.suites = suites
    return begun
