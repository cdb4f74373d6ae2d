"""Told: does the assistant tell only what the user said and the results told?

A name of several words, or a long number, that stands in nothing before was made up or belongs to another
conversation. Single words and short numbers are let pass: assistants suggest ("Mexican, Italian?") and count ("four
places") of their own. The `answer` checker of plays is stricter, because there it is known what was asked.
"""

import re
from collections.abc import Iterator
from typing import Final

from loop.canonical import canonical
from loop.traces.filtering import Filter, TraceFault
from loop.types import Message, Trajectory

__all__ = ["UnsupportedClaims"]

MAX_TEXT: Final = 4_000
"""Characters of a message that is looked at; longer ones are prose about something else than results."""
NAME: Final = re.compile(r"[A-Z][\w&'-]*(?: (?:of|the|de|la|le|and|&|at|by) [A-Z][\w'-]*| [A-Z][\w'-]*){1,7}")
NUMBER: Final = re.compile(r"\+?\d[\d\s().-]{4,20}\d")
WORD: Final = re.compile(r"[^\W_]+")
LONG: Final = 3
"""Letters from which on a word of a name says something."""
FILLERS: Final = frozenset(
    ("the", "and", "for", "your", "you", "please", "would", "there", "here", "what", "which", "how", "yes", "okay")
)
"""Words that stand in front of a name and are none of it."""


class UnsupportedClaims(Filter):
    """Judges what closing messages tell."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find names and numbers that nothing supplies."""
        known = _Known()
        for tool in trajectory.catalogue.tools:
            known.add(f"{tool.name} {tool.description} {canonical(dict(tool.parameters))}")
        for index, message in enumerate(trajectory.messages):
            if message.role == "assistant" and not message.calls and len(message.content) <= MAX_TEXT:
                if strange := known.strange(message.content):
                    yield TraceFault(index, "made up", f"nothing before tells of {strange[:80]!r}")
                continue
            known.add(_text(message))


def _text(message: Message) -> str:
    return " ".join([message.content, *(canonical(dict(call.arguments)) for call in message.calls)])


class _Known:
    """What was said and seen so far."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._digits = ""

    def add(self, text: str) -> None:
        """Take in a text."""
        self._words.update(WORD.findall(text.casefold()))
        self._digits += " " + "".join(char for char in text if char.isdecimal())

    def strange(self, text: str) -> str | None:
        """Find a name of several words none of which is known, or a long number that is not."""
        for match in NAME.finditer(text):
            words = [
                word for word in WORD.findall(match.group().casefold()) if len(word) >= LONG and word not in FILLERS
            ]
            if len(words) > 1 and not any(word in self._words for word in words):
                return match.group()
        for match in NUMBER.finditer(text):
            digits = "".join(char for char in match.group() if char.isdecimal())
            if len(digits) > 4 and digits not in self._digits:  # noqa: PLR2004 - a year, or a time
                return match.group()
        return None
