"""Changes that one statement makes: everything stands in the user's words."""

from typing import Final

from task_generators.families.sql.read import has_rows
from task_generators.families.sql.story import SqlStory, one_table, query, write
from task_generators.writing.story import Family, Move


def insert(story: SqlStory) -> None:
    """Ask for a new row."""
    name, value = story.fresh.pop(), story.value()
    phrases = (
        "Add a {row} to {table}: id {id}, name {name}, {number} {value}.",
        "Insert into {table} the id {id}, the name {name} and the {number} {value}.",
        "There is a new {row}, {name}, with id {id} and {number} {value}. Put it into {table}.",
        "Put a row into {table} with id {id}, name {name}, {number} {value}.",
    )
    key = 1000 + story.rng.randrange(9000)
    table, number = story.kind.table, story.kind.number
    sql = f"INSERT INTO {table} (id, name, {number}) VALUES ({key}, '{name}', {value})"  # noqa: S608 - own words
    story.turn(story.phrase(phrases, id=key, name=name, value=value, **story.blanks), write(sql))
    story.rows[name] = value


def update(story: SqlStory) -> None:
    """Ask for another number in a row."""
    name, value = story.name(), story.value()
    phrases = (
        "Set the {number} of {name} in {table} to {value}.",
        "In {table}, change the {number} of {name} to {value}.",
        "Update {table}: {name} has now the {number} {value}.",
        "The {number} of the {row} {name} in {table} should be {value}.",
    )
    sql = f"UPDATE {story.kind.table} SET {story.kind.number} = {value} WHERE name = '{name}'"  # noqa: S608 - own words
    story.turn(story.phrase(phrases, name=name, value=value, **story.blanks), write(sql))
    story.rows[name] = value


def delete(story: SqlStory) -> None:
    """Ask to remove a row."""
    name = story.name()
    phrases = (
        "Delete {name} from {table}.",
        "Remove the {row} {name} from the table {table}.",
        "{name} has to go from {table}, delete that row.",
        "Take the row of {name} out of {table}.",
    )
    sql = f"DELETE FROM {story.kind.table} WHERE name = '{name}'"  # noqa: S608 - own words
    story.turn(story.phrase(phrases, name=name, **story.blanks), write(sql))
    del story.rows[name]


def delete_and_count(story: SqlStory) -> None:
    """Ask to remove a row, and what is left."""
    delete(story)
    last = story.turns.pop()
    story.steps -= 1
    phrases = (" Then count the rows that are left, as n.", " After that, tell me how many rows are left, as n.")
    counting = query(f"SELECT COUNT(*) AS n FROM {story.kind.table}")  # noqa: S608 - own words
    story.turn(last.user + story.phrase(phrases), *last.plan, counting)


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
