"""What a reader of traces is: a plug-in of `loop.traces.readers`, one file a format.

A reader of rows turns each row of a source into one trace; a reader of sessions takes all rows of a source together,
because the format spreads one conversation over many of them. Rows come one by one, so a source may be of any size.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Protocol

from pydantic import JsonValue

from loop.traces.trace import LocatedTrace, NotATrace, SourceRow, Trace, UnreadableRow
from loop.types import Record


class Reader(Protocol):
    """Reads one format. A frozen pydantic model whose fields are its settings."""

    @property
    def name(self) -> str:
        """The format's name, which is the module's."""
        ...

    def claims(self, value: JsonValue) -> bool:
        """Whether a row looks like this format. At most one reader claims a row of any known format."""
        ...

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read a source's rows. Never raises for anything that a row may hold."""
        ...


class RowReader(Record):
    """Reads a format whose rows are one trace each. A subclass says how."""

    @property
    def name(self) -> str:
        """The format's name."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def claims(self, value: JsonValue) -> bool:
        """Whether a row looks like this format."""

    @abstractmethod
    def trace(self, value: JsonValue) -> Trace:
        """Read one row.

        Raises:
            NotATrace: it is none; the message says where and why.
        """

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read every row for itself."""
        for row in rows:
            try:
                yield LocatedTrace(row.place, self.name, self.trace(row.value))
            except NotATrace as error:
                yield UnreadableRow(row.place, str(error))


class SessionReader(Record):
    """Reads a format that spreads one trace over the rows of a file. A subclass says how."""

    @property
    def name(self) -> str:
        """The format's name."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def claims(self, value: JsonValue) -> bool:
        """Whether a row looks like this format."""

    @abstractmethod
    def session(self, rows: Iterable[SourceRow]) -> Iterable[Trace]:
        """Read all rows of a file.

        Raises:
            NotATrace: they are no session; the message says where and why.
        """

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read the file as a whole; it is told at its first row."""
        waiting = iter(rows)
        first = next(waiting, None)
        if first is None:
            return
        try:
            for trace in self.session([first, *waiting]):
                yield LocatedTrace(first.place, self.name, trace)
        except NotATrace as error:
            yield UnreadableRow(first.place, str(error))
