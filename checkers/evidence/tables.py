"""What database queries answer: tables, compared as the question asks.

The names of columns, and the order of columns and rows, count only where they were asked for; further columns do no
harm. (What else two queries may differ in, and whether by luck, other databases show: `databases`.)
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical

Rows = list[list[JsonValue]]

MOST_WAYS: Final = 200
MOST_STEPS: Final = 2_000
"""Ways to match columns that are tried, and steps to find them."""


def rows_of(value: JsonValue) -> Rows | None:
    """Give the rows of a query's answer; None where it is no table."""
    if not isinstance(value, dict) or set(value) != {"columns", "rows"}:
        return None
    rows = value["rows"]
    return [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else None


def is_bare(rows: Rows) -> bool:
    """Whether an answer holds nothing: no rows, or nothing but NULL. Then it is no proof of its question."""
    return all(cell is None for row in rows for cell in row)


def holds(mine: Rows, wanted: Rows, *, ordered: bool) -> bool:
    """Whether an answer holds another: the same rows, each with at least the wanted columns."""
    if len(mine) != len(wanted):
        return False
    if not wanted:
        return True
    spelt_mine, spelt_wanted = _columns(mine), _columns(wanted)
    ways = islice(_ways(spelt_mine, spelt_wanted), MOST_WAYS)
    target = list(zip(*spelt_wanted, strict=True))
    return any(_alike([spelt_mine[place] for place in way], target, ordered=ordered) for way in ways)


def _alike(columns: Sequence[Sequence[str]], wanted: Sequence[tuple[str, ...]], *, ordered: bool) -> bool:
    rows = list(zip(*columns, strict=True))
    return rows == wanted if ordered else Counter(rows) == Counter(wanted)


def _columns(rows: Rows) -> list[list[str]]:
    width = min(map(len, rows))
    return [[canonical(_whole(row[index])) for row in rows] for index in range(width)]


def _whole(cell: JsonValue) -> JsonValue:
    """Take 4.0 for 4."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _ways(mine: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> Iterator[tuple[int, ...]]:
    """Find ways to take the wanted columns from one's own, by what stands in them."""
    counted = [Counter(column) for column in mine]
    fitting = [[index for index, column in enumerate(counted) if column == Counter(phrase)] for phrase in wanted]
    yield from _chosen(fitting, (), iter(range(MOST_STEPS)))


def _chosen(
    fitting: Sequence[Sequence[int]], taken: tuple[int, ...], steps: Iterator[int]
) -> Iterator[tuple[int, ...]]:
    if not fitting:
        yield taken
        return
    for index in fitting[0]:
        if index not in taken and next(steps, None) is not None:
            yield from _chosen(fitting[1:], (*taken, index), steps)


def spelt_rows(table: JsonValue) -> list[str] | None:
    """Spell every row of a table; None for what is no table."""
    rows = rows_of(table)
    return None if rows is None else [canonical([_whole(cell) for cell in row]) for row in rows]
