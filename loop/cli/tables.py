"""Rows as a table that fits the terminal: wide columns are cut, and the last ones left out, before a line wraps."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

FRAME: Final = 3
"""Cells that a column takes beside its text."""
NARROWEST: Final = 16
"""A column is not cut below this; a whole column is left out instead."""
DIGEST: Final = 12
"""Letters of a digest: the verbs take the beginning of an id."""
HEX: Final = frozenset("0123456789abcdef")


class FittedTable(NamedTuple):
    """A table, and the columns that had no room."""

    table: Table
    left_out: tuple[str, ...]


def fit(rows: Sequence[Mapping[str, str]], width: int | None) -> FittedTable:
    """Make a table of rows that have the same columns.

    Args:
        rows: at least one.
        width: of the terminal, in cells; None where nothing need fit, as into a file.
    """
    names = list(rows[0])
    if width is not None:
        rows = [{name: _short(value) for name, value in row.items()} for row in rows]
    wide = {name: max(map(cell_len, (name, *(row[name] for row in rows)))) for name in names}
    while width is not None and len(names) > 1 and _least(wide, names) > width:
        names.pop()
    room = wide if width is None else _shared(wide, names, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=room[name])
    for row in rows:
        table.add_row(*(Text(row[name]) for name in names))
    return FittedTable(table, tuple(name for name in rows[0] if name not in names))


def _short(value: str) -> str:
    return value[:DIGEST] if len(value) == 64 and HEX.issuperset(value) else value  # noqa: PLR2004 - of a sha256


def _least(wide: Mapping[str, int], names: Sequence[str]) -> int:
    return sum(min(wide[name], NARROWEST) + FRAME for name in names)


def _shared(wide: Mapping[str, int], names: Sequence[str], width: int) -> dict[str, int]:
    """Cut the widest column until all fit."""
    room = {name: wide[name] for name in names}
    while sum(room.values()) + FRAME * len(names) > width:
        widest = max(names, key=lambda name: room[name])
        if room[widest] <= NARROWEST:
            return {name: max(1, width - FRAME) if len(names) == 1 else item for name, item in room.items()}
        others = sum(item for name, item in room.items() if name != widest)
        room[widest] = max(NARROWEST, min(room[widest] - 1, width - FRAME * len(names) - others))
    return room
