"""Whether a message claims what was not done, or was done to something else."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pydantic import JsonValue

from checkers.closing import speech
from checkers.closing.ground import Ground, names
from checkers.closing.phrases import words_of
from checkers.closing.values import ClosingText
from checkers.evidence.origins import read
from checkers.evidence.turns import PlayedTurn
from checkers.evidence.words import WORD
from loop.types import Call

THING: Final = re.compile(
    r"\b(?:of|to|into|onto|called|named)\s+(?:the\s+)?([a-z][\w-]*)(?:\s+(?:folder|directory))?"
    r"\s*(?:[.,;!]|$|\b(?:is|was|has|are|were|now)\b)"
)
"""A single word that says what was changed, where it went, or what it is called now."""

HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Deed(NamedTuple):
    """A call that went well, and what it answered."""

    call: Call
    answer: JsonValue

    @property
    def words(self) -> set[str]:
        """The words of the call's name and of the texts that it took."""
        texts = (str(value) for value in self.call.arguments.values() if isinstance(value, str))
        return {*WORD.findall(" ".join([HUMP.sub(" ", self.call.name), *texts]).casefold())}


def deeds(played: PlayedTurn) -> list[Deed]:
    """Give a turn's calls that went well."""
    pairs = zip(played.calls, played.answers, strict=False)
    return [Deed(call, read(answer.content)) for call, answer in pairs if answer.ok is not False]


def failed(played: PlayedTurn) -> bool:
    """Whether one of the turn's calls answered with an error."""
    return any(answer.ok is False for answer in played.answers)


def learn(ground: Ground, call: Call, answer: JsonValue) -> None:
    """Let a ground know a call and its answer."""
    for source in (HUMP.sub(" ", call.name), dict(call.arguments), answer):
        ground.add(source)


def unfounded(closing: ClosingText, done: Sequence[Deed], asked: str, ground: Ground) -> str | None:
    """Find a claim of something that was not done, and say what is wrong with it.

    Args:
        closing: the message.
        done: what was done in the turn.
        asked: what the user said so far: who asked for something may hear that it was done.
        ground: what was said and seen so far.
    """
    spoken = {*WORD.findall(asked.casefold())}
    for sentence in closing.sentences:
        if speech.is_question(sentence) or speech.refusal(sentence):
            continue
        for word, group in speech.claims(sentence):
            mine = [deed for deed in done if group & deed.words]
            if not mine and not group & spoken and word not in ground.words:
                return f"it says that something was {word}, and nothing was"
            about = [*mine, *_described(mine, done)]
            if mine and (strange := _strange(names(ClosingText(text=sentence)), about, asked)):
                return f"it says that {strange} was {word}"
    return None


def _described(deeds: Sequence[Deed], done: Sequence[Deed]) -> Iterator[Deed]:
    """Find what else the turn's answers told of the things that some calls took by a number: a tweet's author."""
    for deed in deeds:
        taken = [
            value for value in deed.call.arguments.values() if isinstance(value, int) and value not in (True, False)
        ]
        for other in done:
            items = other.answer if isinstance(other.answer, list) else [other.answer]
            things = [
                item for item in items if isinstance(item, dict) and any(value in taken for value in item.values())
            ]
            yield from (Deed(deed.call, item) for item in things)


def beside(closing: ClosingText, done: Sequence[Deed], asked: str) -> str | None:
    """Find a thing or a place in a report that the turn is not about."""
    things = (match[1] for match in THING.finditer(closing.folded) if match[1] not in words_of("nothing_named"))
    return _strange(things, done, asked)


def _strange(names: Iterator[str], done: Sequence[Deed], asked: str) -> str | None:
    """Give the first name that none of some calls took or answered, and the user did not say."""
    near = Ground()
    near.add(asked)
    for deed in done:
        learn(near, deed.call, deed.answer)
    return next((repr(name[:80]) for name in names if not near.holds(name)), None)


def goes_on(closing: ClosingText, done: Sequence[Deed]) -> bool:
    """Whether a message that tells of a failure tells of what was done then, too."""
    words = {word for deed in done for word in deed.words}
    values = (value for deed in done for value in deed.call.arguments.values() if isinstance(value, str | int | float))
    said = any(group & words for sentence in closing.sentences for _, group in speech.claims(sentence))
    return said or any(closing.missing(value, "") is None for value in values)
