"""Two backends in one task: first some turns on one, then some on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loop.types import Split
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, Story


@dataclass
class Woven(Story):
    """Two stories that share their turns and the count of their calls."""

    parts: tuple[Story, ...] = ()
    chosen: tuple[str, ...] = field(default=())
    """Names of the two families that tell it."""

    @property
    def at(self) -> int:
        """Which of the two tells the next turn."""
        return int(2 * len(self.turns) >= self.length)

    def speak(self, frames: Split) -> None:
        """Let both stories speak alike."""
        super().speak(frames)
        for part in self.parts:
            part.speak(frames)


def weave(first: Sequence[Family[Any]], second: Sequence[Family[Any]]) -> Family[Woven]:
    """Weave a family of each side, drawn per task: what a turn refers back to is never interrupted."""
    sides = tuple([family for family in families if not family.unseen] for families in (first, second))

    def opening(rng: Draws) -> Woven:
        pair = tuple(rng.choice(families) for families in sides)
        parts = tuple(family.opening(rng) for family in pair)
        initial = parts[0].initial | parts[1].initial
        story = Woven(rng, initial, parts=parts, chosen=tuple(family.name for family in pair))
        story.key = [part.key for part in parts]
        for part in parts:
            part.turns = story.turns
        return story

    moves = tuple(
        _of(side, family, move) for side, families in enumerate(sides) for family in families for move in family.moves
    )
    return Family("weave", opening, moves, least_turns=2)


def _of(side: int, family: Family[Any], move: Move[Any]) -> Move[Woven]:
    """Let one side make its move, where it is its turn."""

    def write(story: Woven) -> None:
        part = story.parts[side]
        part.steps = story.steps
        move.write(part)
        story.steps = part.steps

    def ready(story: Woven) -> bool:
        return story.at == side and story.chosen[side] == family.name and move.ready(story.parts[side])

    return Move(write, move.calls, ready, move.weight)
