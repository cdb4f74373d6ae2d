"""Turns in which the right answer is no call: ask for what is missing, or say that there is no tool for it."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from loop.types import Tier
from task_generators.families.abstention.requests import Host, impossible
from task_generators.writing.story import Family, Move, Shapes, Story, Stuck

SHAPES: Final[Shapes] = {
    Tier.EASY: (range(1, 3), range(3)),
    Tier.MODERATE: (range(2, 4), range(3, 5)),
    Tier.HARD: (range(4, 5), range(5, 8)),
    Tier.VERYHARD: (range(6, 9), range(9, 17)),
}
"""As ever, but an easy task may need no call at all."""

NO_TOOL: Final = "I have no tool for that."

TWO: Final = 2
"""Turns that a request takes which cannot be met at once."""


def no_tool(host: Host) -> Family[Any]:
    """Among ordinary turns, some that ask for what no tool can do."""

    def refuse(story: Story) -> None:
        story.turn(impossible(story), closing=NO_TOOL)

    moves = (*host.family.moves, Move(refuse, 0, weight=_weight(host)))
    return Family("no-tool", host.family.opening, moves, shapes=SHAPES, sound=_is_odd)


def ask(host: Host) -> Family[Any]:
    """A request that lacks something, and the user's answer when asked for it."""

    def request(story: Story) -> None:
        user, question, answer, due = host.incomplete(story)
        story.turn(user, closing=question)
        story.pending, story.answer = due, answer

    def reply(story: Story) -> None:
        assert story.pending is not None
        story.turn(story.answer, story.pending)
        story.pending = None

    def ready(story: Story) -> bool:
        return _may_wait(story) and host.ready(story)

    odd = (Move(request, 0, ready, _weight(host)), Move(reply, 1, _is_waiting))
    return Family("ask", host.family.opening, (*_ordinary(host), *odd), least_turns=TWO, shapes=SHAPES, sound=_is_odd)


def wait(host: Host) -> Family[Any]:
    """A request for a tool that is not there yet, and its appearance with a later turn."""
    complete = host.complete
    assert complete is not None

    def opening(rng: Random) -> Story:
        story: Story = host.family.opening(rng)
        twin = host.family.opening(Random(rng.random()))
        story.hidden = (complete(twin).due.name,)
        return story

    def request(story: Story) -> None:
        user, due = complete(story)
        story.turn(user, closing=NO_TOOL)
        story.pending = due

    def appear(story: Story) -> None:
        assert story.pending is not None
        phrases = (
            "I have given you another tool. Please try again.",
            "There is a new tool now. Try it once more.",
            "You have one more tool now, please do it.",
            "Now there is a tool for it. Go on.",
        )
        story.turn(story.phrase(phrases), story.pending, adds=story.hidden)
        story.pending, story.answer = None, "there"

    def ready(story: Story) -> bool:
        return _may_wait(story) and not story.answer

    odd = (Move(request, 0, ready, _weight(host)), Move(appear, 1, _is_waiting))
    moves = (*_ordinary(host, _without_hidden), *odd)
    return Family("wait", opening, moves, least_turns=TWO, shapes=SHAPES, sound=_is_odd)


def _ordinary(host: Host, also: Callable[[Move[Any]], Move[Any]] = lambda move: move) -> list[Move[Any]]:
    """The host's own moves, which wait while a request is open."""
    return [also(_patient(move)) for move in host.family.moves]


def _patient(move: Move[Any]) -> Move[Any]:
    return Move(move.write, move.calls, lambda story: story.pending is None and move.ready(story), move.weight)


def _without_hidden(move: Move[Any]) -> Move[Any]:
    """Let a move use no tool before it is there."""

    def write(story: Story) -> None:
        move.write(story)
        if not story.answer and {call.name for call in story.turns[-1].plan} & {*story.hidden}:
            raise Stuck

    return Move(write, move.calls, move.ready, move.weight)


def _may_wait(story: Story) -> bool:
    return story.pending is None and story.length - len(story.turns) >= TWO


def _is_waiting(story: Story) -> bool:
    return story.pending is not None


def _is_odd(story: Story) -> bool:
    """Whether there is a turn without a call, and nothing is left open."""
    return story.pending is None and any(not turn.plan for turn in story.turns)


def _weight(host: Host) -> int:
    """As often as the ordinary moves together."""
    return sum(move.weight for move in host.family.moves)
