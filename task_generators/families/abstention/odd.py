"""Turns in which the right answer is no call: ask for what is missing, or say that there is no tool for it."""

from collections.abc import Callable
from typing import Any, Final

from loop.types import Intent, Tier
from task_generators.families.abstention.requests import Host, anything
from task_generators.writing.draws import Draws, draws
from task_generators.writing.story import Family, Move, Shapes, Story, Stuck, result
from task_generators.writing.wording import draw, phrasing

SHAPES: Final[Shapes] = {
    Tier.EASY: (range(1, 3), range(3)),
    Tier.MODERATE: (range(2, 4), range(3, 5)),
    Tier.HARD: (range(4, 5), range(5, 8)),
    Tier.VERYHARD: (range(6, 9), range(9, 17)),
}
"""As ever, but an easy task may need no call at all."""

WORDS: Final = "abstention"
"""The file that holds what is said on every backend."""

TWO: Final = 2
"""Turns that a request takes which cannot be met at once."""


def no_tool(host: Host) -> Family[Any]:
    """Among ordinary turns, some that ask for what no tool can do."""

    def refuse(story: Story) -> None:
        _decline(story, story.said("no_tool", **{**anything(story), **host.about(story)}))

    moves = (*_ordinary(host, 1), Move(refuse, 0, weight=_weight(host)))
    return Family("no-tool", host.family.opening, moves, shapes=SHAPES, sound=_is_odd)


def ask(host: Host) -> Family[Any]:
    """A request that lacks something, and the user's answer when asked for it."""

    def request(story: Story) -> None:
        due = story.pending = host.incomplete(story)
        user, question = story.said("incomplete", **due.said), story.closed("incomplete", **due.said)
        missing = story.missing("incomplete", **due.said)
        story.turn(user, closing=question, intent=Intent.CLARIFY, answer=missing)

    def reply(story: Story) -> None:
        assert story.pending is not None
        _meet(story, story.said("supply", **story.pending.said))

    def ready(story: Story) -> bool:
        return _may_wait(story) and host.ready(story)

    odd = (Move(request, 0, ready, _weight(host)), Move(reply, 1, _is_waiting))
    return Family(
        "ask", host.family.opening, (*_ordinary(host, TWO), *odd), least_turns=TWO, shapes=SHAPES, sound=_is_odd
    )


def wait(host: Host) -> Family[Any]:
    """A request for a tool that is not there yet, and its appearance with a later turn."""
    complete = host.complete
    assert complete is not None

    def opening(rng: Draws) -> Story:
        story: Story = host.family.opening(rng)
        twin = host.family.opening(draws(str(rng.random()), suites=rng.suites))
        story.hidden = (complete(twin).call.name,)
        return story

    def request(story: Story) -> None:
        due = story.pending = complete(story)
        _decline(story, story.said(due.move, **due.said))

    def appear(story: Story) -> None:
        _meet(story, draw(phrasing(WORDS, "appear").sentences[story.frames], story.rng), adds=story.hidden)
        story.answer = "there"

    def ready(story: Story) -> bool:
        return _may_wait(story) and not story.answer

    odd = (Move(request, 0, ready, _weight(host)), Move(appear, 1, _is_waiting))
    moves = (*_ordinary(host, TWO, _without_hidden), *odd)
    return Family("wait", opening, moves, least_turns=TWO, shapes=SHAPES, sound=_is_odd)


def _decline(story: Story, user: str) -> None:
    """Let the user ask for what no tool can do."""
    sorry = draw(phrasing(WORDS, "decline").endings, story.rng)
    story.turn(user, closing=sorry, intent=Intent.DECLINE)


def _meet(story: Story, user: str, adds: tuple[str, ...] = ()) -> None:
    """Do what has been due."""
    due = story.pending
    assert due is not None
    fields = due.tells or due.names
    said = {**due.said, **{blank: f"{{{index}}}" for index, blank in enumerate(fields)}}
    answer = tuple(result(story.steps, field) for field in fields.values())
    intent = Intent.ANSWER if due.tells else Intent.REPORT
    closing = story.closed(due.move, **said)
    story.turn(user, due.call, closing=closing, intent=intent, answer=answer, adds=adds)
    story.pending = None


def _ordinary(host: Host, turns: int, also: Callable[[Move[Any]], Move[Any]] = lambda move: move) -> list[Move[Any]]:
    """The host's own moves: they wait while a request is open, and leave the turns that the odd ones take."""
    return [also(_patient(move, turns)) for move in host.family.moves]


def _patient(move: Move[Any], turns: int) -> Move[Any]:
    def ready(story: Story) -> bool:
        room = _has_been(story) or story.length - len(story.turns) > turns
        return story.pending is None and room and move.ready(story)

    return Move(move.write, move.calls, ready, move.weight)


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
    return story.pending is None and _has_been(story)


def _has_been(story: Story) -> bool:
    return any(not turn.plan for turn in story.turns)


def _weight(host: Host) -> int:
    """As often as the ordinary moves together."""
    return sum(move.weight for move in host.family.moves)
