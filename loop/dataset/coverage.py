"""How well a dataset shows what users ask for: each way to ask as often as its share, not as the draw has it.

A round can train on a few hundred rows. Drawn at random, a way to ask that should be in five of them is in ten or in
none, and a student fails at those time after time. So each turn is described by the pairs of words that stand near each
other in its request, with the tools of its plan; a pair is worth less the more of its fair share is there already; and
the row that adds most comes next. What a row adds only ever falls, as in other covers (Nemhauser, Wolsey, Fisher 1978).
"""

import heapq
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.types import Accepted, From, Turn, TurnAttempt

REACH: Final = 6
"""Words that stand at most so far apart make a pair."""
LEAST: Final = 2
"""Turns that a trait has to be in to count: what is in one alone is a literal, or cannot be learned from another."""
DOUBT: Final = 2
"""Right turns that a trait counts as having had besides: one failure of one play says little."""
WORDS: Final = re.compile(r"[\w.@/-]*\w")


class Coverage:
    """What the chosen rows show so far."""

    def __init__(
        self, pool: Iterable[Accepted], room: int, asked: Iterable[TurnAttempt] = (), stress: float = 0.0
    ) -> None:
        """Give each trait its share of the rows; by the root of how often the pool has them, common ones weigh more.

        Args:
            pool: the rows to choose from.
            room: how many of them will be chosen.
            asked: turns that the champion played. A trait of those that it got wrong is wanted more often.
            stress: how many times more often, beyond once, where it never gets them right.
        """
        self.rows = {candidate.id: [traits(turn) for turn in candidate.task.turns] for candidate in pool}
        seen = Counter(trait for turns in self.rows.values() for turn in turns for trait in turn)
        self.weights = {trait: math.sqrt(count) for trait, count in seen.items() if count >= LEAST}
        self.had: Counter[int] = Counter()
        wanted, share = _wanted(asked, stress), min(1.0, room / max(1, len(self.rows)))
        self.fair = {trait: seen[trait] * share * wanted.get(trait, 1.0) for trait in self.weights}

    def gain(self, row: str) -> float:
        """Say what a row would add, in 0..1: one where nothing of it is there, a half where all has its fair share."""
        turns = [gain for turn in self.rows[row] if (gain := self._gain(turn)) is not None]
        return sum(turns) / len(turns) if turns else 0.0

    def add(self, row: str) -> None:
        """Count a row that was chosen."""
        self.had.update(trait for turn in self.rows[row] for trait in turn)

    def _gain(self, turn: frozenset[int]) -> float | None:
        known = [
            (weight, self.had[trait] / self.fair[trait])
            for trait in sorted(turn)
            if (weight := self.weights.get(trait))
        ]
        total = sum(weight for weight, _ in known)
        return sum(weight / (1 + had) for weight, had in known) / total if known else None


class Ranking:
    """Rows in the order of what they add, which changes with every row that is chosen."""

    def __init__(self, rows: Iterable[str], coverage: Coverage) -> None:
        """Begin with rows in an order of their own, which decides between those that add alike."""
        self.coverage = coverage
        self.heap = [(-1.0, index, row) for index, row in enumerate(rows)]

    def best(self) -> str:
        """Take the row that adds most. Gains only fall: one that leads although it is counted anew is the best."""
        while True:
            _, place, row = self.heap[0]
            now = (-self.coverage.gain(row), place, row)
            heapq.heapreplace(self.heap, now)
            if self.heap[0] == now:
                heapq.heappop(self.heap)
                return row


def _wanted(asked: Iterable[TurnAttempt], stress: float) -> dict[int, float]:
    """Say how often each trait is wanted: once, and more by the share of its turns that were wrong."""
    seen, wrong = Counter[int](), Counter[int]()
    for attempt in asked:
        shown = traits(attempt.turn)
        seen.update(shown)
        wrong.update(() if attempt.right else shown)
    return {trait: 1 + stress * wrong[trait] / (seen[trait] + DOUBT) for trait in wrong}


def traits(turn: Turn) -> frozenset[int]:
    """Describe a turn: pairs of words of its request, each with the tools of its plan. Words to be copied are one."""
    given = [value for call in turn.plan for value in call.arguments.values() if not isinstance(value, From)]
    return described(turn.user, [call.name for call in turn.plan], given)


def described(request: str, names: Sequence[str], given: Sequence[JsonValue]) -> frozenset[int]:
    """Describe a request that is answered by calls of these names, with these values that stand in it."""
    copied = set(_words(canonical([*given])))
    words = ["_" if word in copied else word for word in _words(request)]
    tools = " > ".join(names)
    pairs = (f"{word} {other} : {tools}" for index, word in enumerate(words) for other in words[index + 1 :][:REACH])
    return frozenset(zlib.crc32(pair.encode()) for pair in pairs)


def _words(text: str) -> list[str]:
    return WORDS.findall(text.lower())
