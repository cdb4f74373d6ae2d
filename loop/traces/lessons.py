"""Lessons: what corrections teach, before anybody asks whether it is right."""

import re
from difflib import SequenceMatcher
from typing import Final, NamedTuple, TypeVar

from pydantic import JsonValue

from checkers.closing import speech
from checkers.closing.phrases import opposites
from checkers.closing.values import NEGATION, ClosingText
from loop.canonical import canonical
from loop.types import Catalogue, Message, Task

T = TypeVar("T")
ALIKE: Final = 0.6
"""Share of the words of a message that another must have, in order, to count as the same message."""

NAME: Final = re.compile(r"(?<=[\w,;:] )[A-Z]\w+")
"""A word with a capital within a sentence."""


class Lesson(NamedTuple):
    """What can be learned from one correction."""

    id: int
    before: tuple[Message, ...]
    """The conversation up to the answer."""
    wanted: Message
    rejected: Message | None
    """The answer that was given, where another is preferred to it."""
    catalogue: Catalogue
    task: Task | None
    """The task that was played; None where the conversation is somebody's own."""
    origin: str | None
    """The trajectory that was corrected; None where the answer was given elsewhere."""
    author: str = ""
    confirmed: bool = False
    """Whether a person has looked at it and says that it is right."""

    @property
    def point(self) -> str:
        """Name the point of a conversation at which the answer is given, whatever the blanks and cases."""
        said: list[JsonValue] = [[m.role, _folded(m.content), answer_of(m) if m.calls else ""] for m in self.before]
        return canonical([*said, self.catalogue.id])

    @property
    def request(self) -> str:
        """What the user said last."""
        return next((message.content for message in reversed(self.before) if message.role == "user"), "")

    @property
    def stage(self) -> str:
        """Name what the answer answers: the user, or a tool."""
        last = self.before[-1] if self.before else None
        return "" if last is None else f"{last.role} {last.name or ''}".strip()


class Skipped(NamedTuple):
    """A correction from which nothing is learned, and why."""

    id: int
    reason: str
    doubted: bool
    """Whether it speaks against itself: what it asks for is wrong as far as can be seen."""


def answer_of(message: Message) -> str:
    """Spell what a message does: its calls, or its words where it makes none."""
    calls: list[JsonValue] = [[call.name, dict(call.arguments)] for call in message.calls]
    words: list[JsonValue] = [*message.content.casefold().split()]
    return canonical(calls or words)


def action_of(message: Message) -> str:
    """Name what a message does, whatever the values: the tools that it calls, or that it speaks."""
    return ", ".join(call.name for call in message.calls) or "an answer in words"


def alike(one: Message, other: Message) -> bool:
    """Whether two messages do the same: the same calls, or most of the same words."""
    if one.calls or other.calls:
        return bool(one.calls) and answer_of(one) == answer_of(other)
    words, others = one.content.casefold().split(), other.content.casefold().split()
    return SequenceMatcher(None, words, others).ratio() >= ALIKE


def agree(one: Message, other: Message) -> bool:
    """Whether two messages can both be right: the same calls, or words of which neither denies what the other says.

    Words disagree where one asks and the other tells, one denies and the other affirms, or they tell different numbers
    or names.
    """
    if one.calls or other.calls:
        return answer_of(one) == answer_of(other)
    mine, theirs = ClosingText(text=one.content), ClosingText(text=other.content)
    nested = _nested(_numbers(mine), _numbers(theirs)) and _nested(_names(mine), _names(theirs))
    opposed = any(
        len(pair & (mine.words | theirs.words)) > 1 and pair & mine.words != pair & theirs.words for pair in opposites()
    )
    return nested and not opposed and _manner(mine) == _manner(theirs)


def _nested(few: frozenset[T], many: frozenset[T]) -> bool:
    return few <= many or many <= few


def _numbers(closing: ClosingText) -> frozenset[float]:
    return frozenset(numeral.readings[0].value for numeral in closing.numerals)


def _names(closing: ClosingText) -> frozenset[str]:
    return frozenset(name.casefold() for name in NAME.findall(closing.plain))


def _manner(closing: ClosingText) -> tuple[bool, bool]:
    return speech.only_asks(closing.sentences), NEGATION.search(closing.folded) is not None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
