"""Read traces from sources: find out the format of each, and give what its reader finds."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from loop.errors import ConfigError
from loop.plugins import known, load
from loop.traces.reader import Reader
from loop.traces.sources import expanded, rows_of
from loop.traces.trace import LocatedTrace, RowLocation, SourceRow, UnreadableRow
from loop.types import Part

PACKAGE: Final = "loop.traces.readers"
LOOK: Final = 20
"""Rows of a source that are looked at to tell its format."""


def readers() -> list[Reader]:
    """Build every reader that comes with loopd."""
    return [load(PACKAGE, Part(use=name)) for name in known(PACKAGE)]


def read(names: Iterable[str], form: Part | None = None) -> Iterator[LocatedTrace | UnreadableRow]:
    """Read everything behind the names.

    Args:
        names: files, directories and URLs.
        form: the reader; None finds it out for each file.

    Raises:
        NotFound: a file or directory does not exist.
        ConfigError: there is no such reader, or a URL cannot be fetched.
    """
    given = None if form is None else load(PACKAGE, form)
    several = readers()
    for name in expanded(names):
        yield from _read(name, given, several)


def _read(name: str, given: Reader | None, several: list[Reader]) -> Iterator[LocatedTrace | UnreadableRow]:
    rows = rows_of(name)
    seen: list[SourceRow | UnreadableRow] = []
    reader = given
    for row in rows:
        seen.append(row)
        if reader is None and isinstance(row, SourceRow):
            reader = next((reader for reader in several if reader.claims(row.value)), None)
        if reader is not None or len(seen) == LOOK:
            break
    if reader is None:
        yield from (row for row in seen if isinstance(row, UnreadableRow))
        if any(isinstance(row, SourceRow) for row in seen):
            formats = ", ".join(reader.name for reader in several)
            yield UnreadableRow(
                RowLocation(name, 0), f"no reader knows this format. Name it with --format; known: {formats}"
            )
        return
    bad: list[UnreadableRow] = []
    for located in reader.read(_good(chain(seen, rows), bad)):
        yield from _taken(bad)
        yield located
    yield from _taken(bad)


def _good(rows: Iterable[SourceRow | UnreadableRow], bad: list[UnreadableRow]) -> Iterator[SourceRow]:
    """Give the rows that can be read; lay the others aside."""
    for row in rows:
        if isinstance(row, SourceRow):
            yield row
        else:
            bad.append(row)


def _taken(bad: list[UnreadableRow]) -> list[UnreadableRow]:
    taken = [*bad]
    bad.clear()
    return taken


def named(form: str | None) -> Part | None:
    """Turn a reader's name on the command line into a part.

    Raises:
        ConfigError: there is none of that name.
    """
    if form is None:
        return None
    if ":" not in form and form not in known(PACKAGE):
        raise ConfigError(f"There is no trace format '{form}'. Known: {', '.join(known(PACKAGE))}.")
    return Part(use=form)
