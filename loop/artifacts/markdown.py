"""Markdown of what others said: nothing in a name or a reason may draw a table, a link or a tag of its own."""

from collections.abc import Iterable, Iterator

from loop.redaction import shown


def text(value: object) -> str:
    """Spell a value as plain words, on one line."""
    return shown(str(value)).replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")


def row(*cells: object) -> str:
    """Spell one row of a table."""
    return f"| {' | '.join(map(text, cells))} |"


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Spell a table line by line."""
    names = list(head)
    yield row(*names)
    yield "|" + "---|" * len(names)
    yield from (row(*cells) for cells in rows)
