"""The words of every play, and an index of them: FTS5 on SQLite, a text vector on PostgreSQL."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import sqlalchemy as sa
from alembic import op

from loop.store.words import spelled

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PAGE: Final = 500
"""Plays whose words are looked for at once."""
INDEX: Final = """create virtual table trajectory_words_index using fts5(
 words, content = 'trajectory_words', content_rowid = 'number', tokenize = 'ascii', detail = 'none', columnsize = 0,
 prefix = '2 3')"""
PLAYS: Final = "select id from trajectory where emptied is null order by stored, id"
TEXTS: Final = sa.text(
    """select trajectory, 0 as kind, place, content as said, '' as also from message where trajectory in :ids
 union all select trajectory, 1, place, tool, arguments from tool_call where trajectory in :ids order by 1, 2, 3"""
).bindparams(sa.bindparam("ids", expanding=True))


def upgrade() -> None:
    """Create the table, fill it, and index it."""
    table = op.create_table(
        "trajectory_words",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("trajectory", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["trajectory"], ["trajectory.id"], name=op.f("fk_trajectory_words_trajectory")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_trajectory_words")),
        sa.UniqueConstraint("trajectory", name=op.f("uq_trajectory_words_trajectory")),
        sqlite_strict=True,
    )
    connection = op.get_bind()
    for rows in _pages(connection):
        connection.execute(table.insert(), rows)
    if connection.dialect.name == "sqlite":
        op.execute(INDEX)
        op.execute("insert into trajectory_words_index (trajectory_words_index) values ('rebuild')")
    else:
        op.execute(
            "create index ix_trajectory_words_words on trajectory_words using gin (to_tsvector('simple', words))"
        )


def downgrade() -> None:
    """Drop both."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("drop table trajectory_words_index")
    op.drop_table("trajectory_words")


def _pages(connection: sa.Connection) -> Iterator[Sequence[dict[str, str]]]:
    ids = list(connection.execute(sa.text(PLAYS)).scalars())
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        rows = connection.execute(TEXTS, {"ids": page})
        said = {
            key: [text for row in group for text in (row.said, row.also)]
            for key, group in groupby(rows, lambda row: str(row.trajectory))
        }
        yield [{"trajectory": each, "words": spelled(said.get(each, ()))} for each in page]
