"""How a task is written: a family's moves, drawn until the tier's turns and calls are filled.

A story is the author's own memory of what the task's world looks like by now, so that every move it offers can be
played. A move adds one user turn with a fixed number of calls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Final, Generic, TypeVar

from pydantic import JsonValue

from loop.errors import NotFound
from loop.types import Argument, From, PlannedCall, Tier, Turn

Shapes = Mapping[Tier, tuple[range, range]]

SHAPES: Final[Shapes] = {
    Tier.EASY: (range(1, 3), range(1, 3)),
    Tier.MODERATE: (range(1, 4), range(3, 5)),
    Tier.HARD: (range(4, 5), range(5, 8)),
    Tier.VERYHARD: (range(6, 9), range(9, 17)),
}
"""How many turns, and how many calls over all of them, a tier allows."""


class Stuck(Exception):
    """The story has no move left that fits."""


@dataclass
class Story:
    """A task while it is being written."""

    rng: Random
    initial: dict[str, JsonValue]
    """Initial state per backend. A move may read it but never change it."""
    turns: list[Turn] = field(default_factory=list)
    steps: int = 0
    """Calls planned so far: the index of the next call."""

    pending: PlannedCall | None = None
    """What the user wants and could not have yet."""
    answer: str = ""
    """What the user will say when asked."""
    hidden: tuple[str, ...] = ()
    """Tools that are not offered from the first turn on."""
    length: int = 0
    """How many turns the story will have."""
    key: JsonValue = None
    """What else tells this content from others, where the plan alone does not."""

    def phrase(self, phrases: Sequence[str], **words: object) -> str:
        """Draw one phrasing and fill its blanks."""
        return self.rng.choice(phrases).format_map(words)

    def turn(self, user: str, *plan: PlannedCall, closing: str = "Done.", adds: tuple[str, ...] = ()) -> int:
        """Add a turn and return the index of its last call."""
        self.turns.append(Turn(user=user, plan=plan, closing=closing, adds=adds))
        self.steps += len(plan)
        return self.steps - 1


S = TypeVar("S", bound=Story)
"""The story that a domain's families tell."""


def always(_story: Story) -> bool:
    """Say yes: the move needs nothing that may be missing."""
    return True


@dataclass(frozen=True)
class Move(Generic[S]):
    """One user turn that a family can add."""

    write: Callable[[S], object]
    calls: int
    """How many calls the turn's plan has."""
    ready: Callable[[S], bool] = always
    """Whether the story has what the move needs."""
    weight: int = 1
    """How often it is drawn beside the others."""


@dataclass(frozen=True)
class Family(Generic[S]):
    """A kind of task: where its stories begin, and the moves that they are made of."""

    name: str
    opening: Callable[[Random], S]
    moves: tuple[Move[S], ...]
    tiers: tuple[Tier, ...] = tuple(Tier)
    least_turns: int = 1
    shapes: Shapes = field(default_factory=lambda: SHAPES)
    sound: Callable[[S], bool] = always
    """Whether a finished story is one of the family."""


def call(name: str, /, **arguments: Argument) -> PlannedCall:
    """Plan one call."""
    return PlannedCall(name=name, arguments=arguments)


def result(step: int, *path: str | int, rule: str = "same", operand: JsonValue = None) -> From:
    """Refer to what an earlier call of the plan returned."""
    return From(step=step, path=path, rule=rule, operand=operand)


def tell(family: Family[S], tier: Tier, rng: Random) -> S:
    """Write one story of the tier's length.

    Raises:
        Stuck: the moves that were drawn left none that fits; draw again with other luck.
        NotFound: no moves of the family's sizes ever fill the tier.
    """
    sizes = tuple(sorted({move.calls for move in family.moves}))
    lengths = [length for length in _lengths(sizes, *family.shapes[tier]) if length[0] >= family.least_turns]
    if not lengths:
        raise NotFound(f"Family '{family.name}' has no moves that add up to '{tier}': leave it out of its tiers.")
    turns, calls = rng.choice(lengths)
    story = family.opening(rng)
    story.length = turns
    for left in range(turns - 1, -1, -1):
        move = _draw(family.moves, story, sizes, left, calls - story.steps)
        before = story.steps
        move.write(story)
        assert story.steps - before == move.calls, f"{family.name}: {move.write} does not plan {move.calls} calls"
    if not family.sound(story):
        raise Stuck
    return story


def _draw(moves: Sequence[Move[S]], story: S, sizes: tuple[int, ...], turns: int, calls: int) -> Move[S]:
    """Draw a move after which `turns` more turns can still fill what is left of `calls`."""
    fitting = [move for move in moves if _fills(sizes, turns, calls - move.calls) and move.ready(story)]
    if not fitting:
        raise Stuck
    return story.rng.choices(fitting, [move.weight for move in fitting])[0]


@lru_cache(maxsize=1024)
def _lengths(sizes: tuple[int, ...], turns: range, calls: range) -> tuple[tuple[int, int], ...]:
    """List the numbers of turns and calls that are allowed and that moves of these sizes can fill."""
    return tuple((t, c) for t in turns for c in calls if _fills(sizes, t, c))


@lru_cache(maxsize=4096)
def _fills(sizes: tuple[int, ...], turns: int, calls: int) -> bool:
    """Whether `turns` moves of these sizes can add up to `calls`."""
    if turns == 0 or calls < 0:
        return turns == calls == 0
    return any(_fills(sizes, turns - 1, calls - size) for size in sizes)
