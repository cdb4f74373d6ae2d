"""The index of words: kept by the database on PostgreSQL, and by these statements on SQLite.

SQLite's index is a virtual table. No trigger could write it: `trusted_schema` is off, so that a file from elsewhere
cannot make us run what its schema names.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, text

from loop.store.rows import Values
from loop.store.tables import TrajectoryWords

THESE: Final = "from trajectory_words where trajectory in :ids"
ADD: Final = text(f"insert into trajectory_words_index (rowid, words) select number, words {THESE}").bindparams(
    bindparam("ids", expanding=True)
)
REMOVE: Final = text(
    f"insert into trajectory_words_index (trajectory_words_index, rowid, words) select 'delete', number, words {THESE}"
).bindparams(bindparam("ids", expanding=True))
WRITE: Final = insert(TrajectoryWords)


def add(connection: Connection, rows: Sequence[Values]) -> None:
    """Insert rows of `trajectory_words`, inside a transaction."""
    if rows:
        connection.execute(WRITE, rows)
        if connection.dialect.name == "sqlite":
            connection.execute(ADD, {"ids": [row["trajectory"] for row in rows]})


def remove(connection: Connection, ids: Sequence[str]) -> None:
    """Delete the words of plays, inside a transaction."""
    if connection.dialect.name == "sqlite":
        connection.execute(REMOVE, {"ids": ids})
    connection.execute(delete(TrajectoryWords).where(TrajectoryWords.trajectory.in_(ids)))
