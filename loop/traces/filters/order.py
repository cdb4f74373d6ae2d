"""Order: does every result follow its call, and every answer what it answers?

A call whose result is missing, and a result that no call asked for, are logged wrongly, or one of the two was changed.
Two users' messages in a row, or two closing messages, happen; several in one conversation mean that it was shuffled.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pydantic import Field

from loop.traces.filtering import WHOLE, Filter, TraceFault
from loop.types import Message, Trajectory

__all__ = ["MessageOrder"]


class MessageOrder(Filter):
    """Judges what follows what."""

    shuffled: int = Field(default=2, ge=1)
    """Messages out of place from which on the whole conversation counts as shuffled."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find messages that stand where they cannot."""
        messages = trajectory.messages
        displaced = 0
        for index, message in enumerate(messages):
            if fault := _fault(messages, index, message):
                yield fault
        for index, (one, other) in enumerate(pairwise(messages), start=1):
            if _closes(one) and _closes(other):
                displaced += 1
                yield TraceFault(index, "twice", "the assistant closes a turn that it has closed")
            elif one.role == other.role == "user":
                displaced += 1
        opening = next((message for message in messages if message.role != "system"), None)
        displaced += opening is not None and opening.role != "user"
        displaced += bool(messages) and messages[-1].role == "user"
        if displaced >= self.shuffled:
            yield TraceFault(WHOLE, "shuffled", f"{displaced} messages stand where they cannot have been said")


def _fault(messages: Sequence[Message], index: int, message: Message) -> TraceFault | None:
    if message.role == "tool" and message.fault:
        return TraceFault(
            _caller(messages, index), "no result", f"{message.name} was called, and its result is not there"
        )
    if message.role == "tool" and message.name is None:
        return TraceFault(_caller(messages, index), "no call", "a result follows that nothing asked for")
    if message.role == "assistant" and not message.calls and not message.content.strip() and not message.fault:
        return TraceFault(index, "empty", "the assistant says and calls nothing")
    return None


def _caller(messages: Sequence[Message], index: int) -> int:
    """Find the assistant's message that a result stands behind; the result itself where there is none."""
    before = [number for number in range(index) if messages[number].role == "assistant"]
    between = messages[before[-1] + 1 : index] if before else ()
    return before[-1] if before and all(message.role == "tool" for message in between) else index


def _closes(message: Message) -> bool:
    return message.role == "assistant" and not message.calls
