"""Carrying a value from one backend to the other: what one names, the other is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from loop.types import From, Intent
from task_generators.families.pairs.values import NUMBERS, SIDES, WANTS_NUMBERS, LinkedValue, Passed
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, Story, result


@dataclass
class Carried(Story):
    """Two stories; values go from the first to the second."""

    words: ClassVar[str] = "pairs"

    names: tuple[str, str] = ("", "")
    """The two backends."""
    source: Story | None = None
    sink: Story | None = None
    passed: bool = False
    """Whether a value went over."""
    pending: From | None = None
    """The value of the last turn, where nothing has been done with it."""

    def speak(self, frames: Any) -> None:  # noqa: ANN401 - as the story takes it
        """Let both stories speak alike."""
        super().speak(frames)
        for part in (self.source, self.sink):
            if part is not None:
                part.speak(frames)

    def take(self) -> tuple[LinkedValue, str]:
        """Find a value, and say what it is called."""
        find = SIDES[self.names[0]].find
        assert find is not None
        linked = find(self.source)
        return linked, self.said(f"found_{self.names[0]}", **linked.blanks)

    def give(self, value: From) -> tuple[Passed, str]:
        """Do something with a value, and say what."""
        tell = SIDES[self.names[1]].tell
        assert tell is not None
        passed = tell(self.sink, value)
        return passed, self.said(f"told_{self.names[1]}", **passed.blanks)

    def end(self, user: str, passed: Passed, value: From, *before: Any) -> None:  # noqa: ANN401 - planned calls
        """Add the turn in which a value goes over."""
        field = SIDES[self.names[1]].result
        answer = result(self.steps + len(before), field) if field else value
        closing = self.closed(f"told_{self.names[1]}", value="{0}", result="{0}", **passed.blanks)
        intent = Intent.ANSWER if field else Intent.REPORT
        said = f"{user} {passed.also}".strip()
        self.turn(said, *before, passed.tell, closing=closing, intent=intent, answer=(answer,))
        self.pending, self.passed = None, True


def carries(source: str, sink: str) -> bool:
    """Whether a value of the one backend can be told the other."""
    return SIDES[source].find is not None and (sink not in WANTS_NUMBERS or source in NUMBERS)


def carry(source: str, sink: str) -> Family[Carried]:
    """Let the one backend find values, and tell them the other."""
    text = source in NUMBERS and sink not in WANTS_NUMBERS

    def opening(rng: Draws) -> Carried:
        first, second = SIDES[source].opening(rng), SIDES[sink].opening(rng)
        return Carried(rng, first.initial | second.initial, names=(source, sink), source=first, sink=second)

    def value(step: int, path: tuple[str, ...]) -> From:
        return result(step, *path, rule="text" if text else "same")

    def look(story: Carried) -> None:
        linked, called = story.take()
        blanks: Mapping[str, Any] = {"value": result(story.steps, *linked.path)}
        step = story.add("look", linked.find, tells=blanks, found=called)
        story.pending = value(step, linked.path)

    def pass_on(story: Carried) -> None:
        assert story.pending is not None
        passed, tells = story.give(story.pending)
        story.end(story.said("pass", told=tells), passed, story.pending)

    def look_and_pass_on(story: Carried) -> None:
        (linked, called), step = story.take(), story.steps
        passed, tells = story.give(value(step, linked.path))
        user = story.said("look_and_pass", found=called, told=tells)
        story.end(user, passed, value(step, linked.path), linked.find)

    def ready(story: Carried) -> bool:
        check = SIDES[source].ready
        return check is not None and check(story.source)

    moves = (
        Move(look, 1, ready),
        Move(pass_on, 1, lambda story: story.pending is not None, weight=6),
        Move(look_and_pass_on, 2, ready, weight=3),
    )
    return Family(_NAME, opening, moves, sound=lambda story: story.passed)


_NAME: Final = "carry"
