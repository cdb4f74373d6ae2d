"""Questions that one statement answers: table and columns stand in the user's words."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from loop.types import PlannedCall
from task_generators.families.sql.story import SqlStory, number_of, one_table, query
from task_generators.writing.story import Family, Move, Stuck, Told

MOST_ROWS: Final = 4
"""A question finds so many rows at most: their names and numbers are told."""


class SqlQuestion(NamedTuple):
    """A question: the statement, what is said of it, and what it tells."""

    reading: PlannedCall
    said: Mapping[str, Any]
    tells: Mapping[str, Told]


def _draw_over(story: SqlStory) -> SqlQuestion:
    order = sorted(story.rows.items(), key=lambda row: row[1])
    place = story.rng.randrange(max(0, len(order) - 1 - MOST_ROWS), len(order) - 1)
    least = order[place][1]
    table, number = story.kind.table, story.kind.number
    sql = f"SELECT name, {number} FROM {table} WHERE {number} > {least} ORDER BY {number}"  # noqa: S608 - own words
    return SqlQuestion(query(sql), {"least": least}, {"rows": tuple(order[place + 1 :])})


def _draw_count(story: SqlStory) -> SqlQuestion:
    most = story.rng.choice(sorted(story.rows.values())[1:])
    sql = f"SELECT COUNT(*) FROM {story.kind.table} WHERE {story.kind.number} < {most}"  # noqa: S608 - own words
    return SqlQuestion(query(sql), {"most": most}, {"n": sum(number < most for number in story.rows.values())})


def _draw_lookup(story: SqlStory) -> SqlQuestion:
    name = story.name()
    return SqlQuestion(query(number_of(story, name)), {"name": name}, {"value": story.rows[name]})


def _new(story: SqlStory, draw: Callable[[SqlStory], SqlQuestion]) -> SqlQuestion:
    """Draw a question that nobody has asked.

    Raises:
        Stuck: that is hard to find.
    """
    for _ in range(20):
        question = draw(story)
        sql = str(question.reading.arguments["sql"])
        if sql not in story.asked:
            story.asked.append(sql)
            return question
    raise Stuck


def ask_over(story: SqlStory) -> None:
    """Ask for the rows above a number."""
    _ask(story, "over", _new(story, _draw_over))


def ask_count(story: SqlStory) -> None:
    """Ask how many rows lie below a number."""
    _ask(story, "count", _new(story, _draw_count))


def ask_lookup(story: SqlStory) -> None:
    """Ask for one row's number."""
    _ask(story, "lookup", _new(story, _draw_lookup))


def ask_two(story: SqlStory) -> None:
    """Ask two questions at once."""
    _ask(story, "two", _new(story, _draw_over), _new(story, _draw_count))


def _ask(story: SqlStory, move: str, *questions: SqlQuestion) -> None:
    said, tells = dict(story.blanks), dict[str, Told]()
    for question in questions:
        said |= question.said
        tells |= question.tells
    story.add(move, *(question.reading for question in questions), tells=tells, **said)


def has_rows(story: SqlStory) -> bool:
    """Whether the table holds enough to ask about."""
    return len(story.rows) > 1


READ: Final = Family(
    "read",
    one_table,
    (
        Move(ask_over, 1, has_rows),
        Move(ask_count, 1, has_rows),
        Move(ask_lookup, 1, has_rows),
        Move(ask_two, 2, has_rows),
    ),
)
