"""Which plays have all the words of a phrase, the newest first: what the index of words answers."""

from collections.abc import Sequence
from typing import Final

from loop.runtime.query import Query, Value
from loop.store.words import Sought

SQLITE: Final = "select rowid from trajectory_words_index where trajectory_words_index match ?"
POSTGRESQL: Final = (
    "select number as rowid from trajectory_words where to_tsvector('simple', words) @@ cast(? as tsquery)"
)


def numbers(ask: Query, words: Sought, *, before: int | None, most: int, seconds: float) -> Sequence[int]:
    """Number the plays in which the words are.

    Args:
        ask: the store.
        words: whole words, and the beginning of one.
        before: only plays that were stored before the one of this number.
        most: plays.
        seconds: after so many it is stopped.
    """
    plain = ask.dialect == "sqlite"
    statement, asked = (SQLITE, _fts(words)) if plain else (POSTGRESQL, _tsquery(words))
    key = "rowid" if plain else "number"
    values: list[Value] = [asked]
    if before is not None:
        statement, values = f"{statement} and {key} < ?", [asked, before]
    found = ask(f"{statement} order by {key} desc limit ?", [*values, most], rows=most, seconds=seconds)
    return [int(row[0]) for row in found.rows]


def _fts(words: Sought) -> str:
    """Spell them for FTS5."""
    return " ".join([*(f'"{word}"' for word in words.whole), *([f'"{words.begun}" *'] if words.begun else [])])


def _tsquery(words: Sought) -> str:
    """Spell them for PostgreSQL's text search."""
    return " & ".join([*(f"'{word}'" for word in words.whole), *([f"'{words.begun}':*"] if words.begun else [])])
