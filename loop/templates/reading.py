"""What the readers of calls share."""

import re
from typing import Final

from loop.types import Call

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
BLANK: Final = re.compile(r"[\s\ufeff]*+")
"""White space, and the byte order mark that some models put before JSON."""


class Unreadable(ValueError):
    """A message cannot be read as calls and text without something left over; the message says what."""


class ParsedCalls:
    """The calls of a message as they are read, and the forgiving rules that were needed for it."""

    def __init__(self, most: int) -> None:
        self.calls: list[Call] = []
        self.leniencies: set[str] = set()
        self.most = most

    def add(self, call: Call) -> None:
        """Note a call.

        Raises:
            Unreadable: there are too many.
        """
        if len(self.calls) >= self.most:
            raise Unreadable(f"more than {self.most} calls")
        self.calls.append(call)


def skip_blank(text: str, at: int) -> int:
    """Give the place of the next character that is not blank."""
    blank = BLANK.match(text, at)
    return blank.end() if blank else at
