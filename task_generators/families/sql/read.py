"""Questions that one statement answers: table and columns stand in the user's words."""

from collections.abc import Callable
from typing import Final

from loop.types import PlannedCall
from task_generators.families.sql.story import SqlStory, one_table, query
from task_generators.writing.story import Family, Move, Stuck


def _draw_over(story: SqlStory) -> tuple[str, PlannedCall]:
    least = story.rng.choice(sorted(story.rows.values())[:-1])
    phrases = (
        "Get the name and {number} of every {row} in {table} with {number} over {least}, ordered by {number}.",
        "From {table}, select name and {number} where {number} is over {least}, sorted by {number}.",
        "Show name and {number} from {table} for {number} above {least}, lowest {number} first.",
        "List name and {number} of the {table} whose {number} is more than {least}, in order of {number}.",
    )
    table, number = story.kind.table, story.kind.number
    sql = f"SELECT name, {number} FROM {table} WHERE {number} > {least} ORDER BY {number}"  # noqa: S608 - own words
    return story.phrase(phrases, least=least, **story.blanks), query(sql)


def _draw_count(story: SqlStory) -> tuple[str, PlannedCall]:
    most = story.rng.choice(sorted(story.rows.values())[1:])
    phrases = (
        "Count the {table} with {number} under {most}, call the column n.",
        "How many {table} have {number} below {most}? Name the result column n.",
        "In {table}, count the rows where {number} is less than {most}, as n.",
        "Give me, as n, the number of {table} whose {number} is under {most}.",
    )
    table, number = story.kind.table, story.kind.number
    sql = f"SELECT COUNT(*) AS n FROM {table} WHERE {number} < {most}"  # noqa: S608 - own words
    return story.phrase(phrases, most=most, **story.blanks), query(sql)


def _draw_lookup(story: SqlStory) -> tuple[str, PlannedCall]:
    name = story.name()
    phrases = (
        "What {number} does the {row} {name} have in {table}?",
        "Select the {number} of {name} from {table}.",
        "Look up the {number} of {name} in the table {table}.",
        "Get the {number} from {table} where the name is {name}.",
    )
    sql = f"SELECT {story.kind.number} FROM {story.kind.table} WHERE name = '{name}'"  # noqa: S608 - own words
    return story.phrase(phrases, name=name, **story.blanks), query(sql)


def _new(story: SqlStory, draw: Callable[[SqlStory], tuple[str, PlannedCall]]) -> tuple[str, PlannedCall]:
    """Draw a question that nobody has asked.

    Raises:
        Stuck: that is hard to find.
    """
    for _ in range(20):
        user, reading = draw(story)
        sql = str(reading.arguments["sql"])
        if sql not in story.asked:
            story.asked.append(sql)
            return user, reading
    raise Stuck


def ask_over(story: SqlStory) -> None:
    """Ask for the rows above a number."""
    user, reading = _new(story, _draw_over)
    story.turn(user, reading)


def ask_count(story: SqlStory) -> None:
    """Ask how many rows lie below a number."""
    user, reading = _new(story, _draw_count)
    story.turn(user, reading)


def ask_lookup(story: SqlStory) -> None:
    """Ask for one row's number."""
    user, reading = _new(story, _draw_lookup)
    story.turn(user, reading)


def ask_two(story: SqlStory) -> None:
    """Ask two questions at once."""
    first, reading = _new(story, _draw_over)
    second, counting = _new(story, _draw_count)
    story.turn(f"{first} {second}", reading, counting)


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
