"""Changes that one statement makes: everything stands in the user's words."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.sql.read import has_rows
from task_generators.families.sql.story import SqlStory, one_table, query, write
from task_generators.writing.story import Family, Move


def insert(story: SqlStory) -> None:
    """Ask for a new row."""
    name, value, key = story.fresh.pop(), story.fresh_value(), story.rng.number(1000, 9999)
    table, number = story.kind.table, story.kind.number
    sql = f"INSERT INTO {table} (id, name, {number}) VALUES ({key}, '{name}', {value})"  # noqa: S608 - own words
    story.add("insert", write(sql), id=key, name=name, value=value, **story.blanks)
    story.rows[name] = value


def update(story: SqlStory) -> None:
    """Ask for another number in a row."""
    name, value = story.name(), story.fresh_value()
    story.add("update", setting(story, name, value), name=name, value=value, **story.blanks)
    story.rows[name] = value


def setting(story: SqlStory, name: str, value: int) -> PlannedCall:
    """Plan another number in a row."""
    table, number = story.kind.table, story.kind.number
    return write(f"UPDATE {table} SET {number} = {value} WHERE name = '{name}'")  # noqa: S608 - own words


def delete(story: SqlStory) -> None:
    """Ask to remove a row."""
    name = story.name()
    story.add("delete", _deleting(story, name), name=name, **story.blanks)


def _deleting(story: SqlStory, name: str) -> PlannedCall:
    del story.rows[name]
    return write(f"DELETE FROM {story.kind.table} WHERE name = '{name}'")  # noqa: S608 - own words


def delete_and_count(story: SqlStory) -> None:
    """Ask to remove a row, and what is left."""
    name = story.name()
    steps = _deleting(story, name), query(f"SELECT COUNT(*) FROM {story.kind.table}")  # noqa: S608 - own words
    story.add_both("delete", "and_count", *steps, tells={"n": len(story.rows)}, name=name, **story.blanks)


WRITE: Final = Family(
    "write",
    one_table,
    (
        Move(insert, 1),
        Move(update, 1, has_rows),
        Move(delete, 1, has_rows),
        Move(delete_and_count, 2, has_rows, weight=2),
    ),
)
