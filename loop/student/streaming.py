"""How much of an answer can be told while it is being said.

A message is read whole or not at all (`loop.templates.parse`), so what may turn out to be part of a call or of thinking
is kept back until the message is done. Text before that goes out as it comes, and never has to be taken back.
"""

import re
from collections.abc import Sequence
from typing import Final

from loop.templates.parse import BLANKS, MARKS

BEGINS: Final = re.compile(r"[<\[]")
LONGEST: Final = 24
"""Characters after which it is plain that no mark began at a bracket."""
DATA: Final = ("{", "[", "`")
"""What a message begins with that may be a call without a tag as a whole."""


class StreamedText:
    """The text of one answer, told piece by piece."""

    def __init__(self, *, text_alone: bool, data: bool = False, thinking: bool = False) -> None:
        """Begin an answer.

        Args:
            text_alone: whether all of it is text, whatever it looks like.
            data: whether JSON at its beginning is no call: no tool is on offer.
            thinking: whether the prompt ends within thinking, so that nothing can be told before its end.
        """
        self.text_alone, self.data, self.thinking = text_alone, data, thinking
        self.streamed = ""
        self._from = 0
        """Where in the raw text what is told begins."""

    def more(self, text: str) -> str:
        """Give what can be told in addition, of all that was said so far."""
        safe = self._safe(text)
        added = safe[len(self.streamed) :]
        self.streamed += added
        return added

    def rest(self, content: str, text: str) -> str:
        """Give what is still to be told.

        Args:
            content: the whole message's content, as it was read.
            text: all that was said.
        """
        if content.startswith(self.streamed):
            return content[len(self.streamed) :]
        return text[self._from + len(self.streamed) :]  # unreadable: then all that was said is its content

    def _safe(self, text: str) -> str:
        """Give the beginning of the message that is text however it goes on."""
        text = text.rstrip("\ufffd")
        if self.text_alone:
            return text
        said = text.lstrip(BLANKS)
        self._from = len(text) - len(said)
        if self.thinking or (said.startswith(DATA) and not self.data):
            return self.streamed
        for bracket in BEGINS.finditer(said):
            if len(said) - bracket.start() < LONGEST or MARKS.match(said, bracket.start()):
                return said[: bracket.start()].rstrip(BLANKS)
        return said.rstrip(BLANKS)


def stopped(text: str, stops: Sequence[str]) -> str | None:
    """Give the text before the first stop in it; None where there is none."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else None


def unstopped(text: str, stops: Sequence[str]) -> str:
    """Give the text without an end that may become a stop."""
    ends = (count for stop in stops for count in range(1, len(stop)) if text.endswith(stop[:count]))
    return text[: len(text) - max(ends, default=0)]
