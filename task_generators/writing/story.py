"""How a task is written: a family's moves, drawn until the tier's turns and calls are filled.

A story is the author's own memory of what the task's world looks like by now, so that every move it offers can be
played. A move adds one user turn with a fixed number of calls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import JsonValue

from loop.errors import NotFound
from loop.types import Argument, From, Intent, PlannedCall, Split, Tier, Turn
from task_generators.writing.draws import Draws
from task_generators.writing.wording import draw, phrasing

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


Told = Argument | tuple[Argument, ...] | tuple[tuple[Argument, Argument], ...]
"""What one blank of a closing message stands for: a value, several, or several pairs."""

MANNERS: Final = "manners"
"""The file that holds what may stand before and after a request."""

POLITE: Final = 0.15
"""Share of requests that have a sentence before them, and of those that have one after them."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass
class Story:
    """A task while it is being written."""

    words: ClassVar[str] = ""
    """The file that holds the wording of its moves: a shipped one by its name, any other by its path."""

    rng: Draws
    initial: dict[str, JsonValue]
    """Initial state per backend. A move may read it but never change it."""
    turns: list[Turn] = field(default_factory=list)
    steps: int = 0
    """Calls planned so far: the index of the next call."""

    pending: Any = None
    """What the user wants and could not have yet."""
    answer: str = ""
    """What has become of it."""
    hidden: tuple[str, ...] = ()
    """Tools that are not offered from the first turn on."""
    length: int = 0
    """How many turns the story will have."""
    key: JsonValue = None
    """What else tells this content from others, where the plan alone does not."""
    frames: Split = Split.TRAIN
    """Whose frames the user speaks in."""

    def speak(self, frames: Split) -> None:
        """Let the user speak in the frames of one split."""
        self.frames = frames

    def said(self, move: str, /, **blanks: object) -> str:
        """Draw what the user says for a move, its blanks filled."""
        return draw(phrasing(self.words, move).sentences[self.frames], self.rng).format_map(blanks)

    def closed(self, move: str, /, **blanks: object) -> str:
        """Draw a message that ends a move's turn, its blanks filled."""
        return draw(phrasing(self.words, move).endings, self.rng).format_map(blanks)

    def missing(self, move: str, /, **blanks: object) -> tuple[str, ...]:
        """Name what a move's request lacks, in all words that will do."""
        return tuple(word.format_map(blanks) for word in phrasing(self.words, move).missing)

    def add(
        self,
        move: str,
        /,
        *plan: PlannedCall,
        tells: Mapping[str, Told] = NOTHING,
        names: Mapping[str, Argument] = NOTHING,
        **blanks: Any,  # noqa: ANN401 - whatever a sentence may hold
    ) -> int:
        """Add the turn of a move.

        Args:
            move: name of the move in the wording's file.
            plan: the calls that are right.
            tells: what the user asks for, by the blanks of the closing messages: the turn is a question. A tuple of
                values is listed in one blank.
            names: values of results that the closing message of a command may name, by its blanks.
            blanks: what fills the blanks of what is said.

        Returns:
            The index of the last call.
        """
        return self._asked(self.said(move, **blanks), move, plan, tells, names, blanks)

    def add_both(
        self,
        first: str,
        second: str,
        /,
        *plan: PlannedCall,
        tells: Mapping[str, Told] = NOTHING,
        names: Mapping[str, Argument] = NOTHING,
        **blanks: Any,  # noqa: ANN401 - whatever a sentence may hold
    ) -> int:
        """Add one turn of two moves: what is said of the first, then of the second, whose closing ends it."""
        user = f"{self.said(first, **blanks)} {self.said(second, **blanks)}"
        return self._asked(user, second, plan, tells, names, blanks)

    def _asked(  # noqa: PLR0913 - all of a turn
        self,
        user: str,
        move: str,
        plan: tuple[PlannedCall, ...],
        tells: Mapping[str, Told],
        names: Mapping[str, Argument],
        blanks: Mapping[str, Any],
    ) -> int:
        answer: list[Argument] = []
        places = {name: _places(value, answer) for name, value in (tells or names).items()}
        closing = self.closed(move, **{**blanks, **places})
        intent = Intent.ANSWER if tells else Intent.REPORT
        return self.turn(user, *plan, closing=closing, intent=intent, answer=tuple(answer))

    def turn(
        self,
        user: str,
        *plan: PlannedCall,
        closing: str = "Done.",
        intent: Intent = Intent.REPORT,
        answer: tuple[Argument, ...] = (),
        adds: tuple[str, ...] = (),
    ) -> int:
        """Add a turn and return the index of its last call. Now and then the user says more than the request."""
        said = self._polite(user)
        self.turns.append(Turn(user=said, plan=plan, closing=closing, intent=intent, answer=answer, adds=adds))
        self.steps += len(plan)
        return self.steps - 1

    def _polite(self, user: str) -> str:
        """Put a sentence before a request, or after it, or leave it alone."""
        luck = self.rng.random()
        if luck >= 2 * POLITE:
            return user
        place = "before" if luck < POLITE else "after"
        more = draw(phrasing(MANNERS, place).sentences[self.frames], self.rng)
        return f"{more} {user}" if place == "before" else f"{user} {more}"


def _places(value: Told, answer: list[Argument]) -> str:
    """Put a value, or several, into the answer, and say how the closing message refers to them."""
    if not isinstance(value, tuple):
        answer.append(value)
        return f"{{{len(answer) - 1}}}"
    *most, last = (_pair(item, answer) if isinstance(item, tuple) else _places(item, answer) for item in value)
    return f"{', '.join(most)} and {last}" if most else last


def _pair(pair: tuple[Argument, Argument], answer: list[Argument]) -> str:
    first, second = (_places(value, answer) for value in pair)
    return f"{first} ({second})"


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
    opening: Callable[[Draws], S]
    moves: tuple[Move[S], ...]
    tiers: tuple[Tier, ...] = tuple(Tier)
    least_turns: int = 1
    shapes: Shapes = field(default_factory=lambda: SHAPES)
    sound: Callable[[S], bool] = always
    """Whether a finished story is one of the family."""
    unseen: bool = False
    """Whether training never has it: suites alone do."""


def call(name: str, /, **arguments: Argument) -> PlannedCall:
    """Plan one call."""
    return PlannedCall(name=name, arguments=arguments)


def result(step: int, *path: str | int, rule: str = "same", operand: JsonValue = None) -> From:
    """Refer to what an earlier call of the plan returned."""
    return From(step=step, path=path, rule=rule, operand=operand)


def tell(family: Family[S], tier: Tier, rng: Draws, frames: Split = Split.TRAIN) -> S:
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
    story.speak(frames)
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
