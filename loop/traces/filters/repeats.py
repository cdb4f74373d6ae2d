"""Repeats: is the same thing done again although it was answered, or said again word for word?

A call that is made again with the same arguments, with nothing between that could change its answer, is a loop. A
call after an error, or after the user spoke, is not.
"""

from collections.abc import Iterator

from loop.canonical import canonical
from loop.traces.filtering import Filter, TraceFault
from loop.types import Trajectory

__all__ = ["Repeats"]


class Repeats(Filter):
    """Judges repetition."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find calls that repeat one of the same turn, and messages that repeat the assistant's last."""
        made: set[str] = set()
        last = ""
        for index, message in enumerate(trajectory.messages):
            if message.role == "user" or (message.role == "tool" and message.ok is False):
                made = set()
            for call in message.calls:
                key = canonical([call.name, dict(call.arguments)])
                if key in made:
                    yield TraceFault(index, "call", f"{call.name} is called again with the same arguments")
                made.add(key)
            if message.role == "assistant" and not message.calls and message.content.strip():
                words = " ".join(message.content.casefold().split())
                if words == last:
                    yield TraceFault(index, "words", "the assistant says again what it said last")
                last = words
