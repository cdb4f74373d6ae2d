"""A trace: a conversation that happened outside, as every reader gives it, and a row that is none, with the reason."""

from typing import NamedTuple

from pydantic import JsonValue

from loop.types import Catalogue, Message, Record


class NotATrace(ValueError):
    """A row cannot be read as a trace. The message names the place inside the row and what is wrong there."""


class Trace(Record):
    """One conversation, in the vocabulary of trajectories: each call is followed by its result, in order.

    A result that no call asked for stands alone, without a tool's name. A call that has no result although the
    conversation goes on is followed by an empty tool message whose `fault` says so. Nothing else is mended.
    """

    messages: tuple[Message, ...]
    catalogue: Catalogue = Catalogue()
    """The tools as they were offered, schemas as they stood; empty where the format has no place for them."""
    conversation: str = ""
    """The conversation's id where it happened; empty where it had none."""
    user: str = ""
    """Who talked there, as the source names them."""
    model: str = ""
    """Which model answered."""
    happened: int = 0
    """Microseconds since the epoch; 0 where nobody says."""


class RowLocation(NamedTuple):
    """Where a row stands."""

    source: str
    """The file or URL, as it was named."""
    line: int
    """The line in a file of JSON lines, else the number of the row; from 1. 0 is the source as a whole."""

    def __str__(self) -> str:
        """Spell it as editors do: the source, a colon, the line."""
        return f"{self.source}:{self.line}" if self.line else self.source


class SourceRow(NamedTuple):
    """One row of a source, before anybody knows what it is."""

    place: RowLocation
    value: JsonValue


class UnreadableRow(NamedTuple):
    """A row that could not be read."""

    place: RowLocation
    reason: str


class LocatedTrace(NamedTuple):
    """A trace, and where it stood."""

    place: RowLocation
    format: str
    trace: Trace
