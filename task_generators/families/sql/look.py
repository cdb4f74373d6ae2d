"""Looking around a database: what its table is called, only a result tells."""

from typing import Final

from task_generators.families.sql.read import ask_count, ask_over, ask_two, has_rows
from task_generators.families.sql.story import SqlStory, named_table
from task_generators.writing.story import Family, Move, call, result


def _list(story: SqlStory) -> None:
    tables = result(story.steps, "tables")
    story.seen_tables = story.add("list", call("list_tables"), tells={"tables": tables})


def _describe_it(story: SqlStory) -> None:
    assert story.seen_tables is not None
    describing = call("describe_table", table=result(story.seen_tables, "tables", 0))
    story.add("describe_it", describing, tells={"columns": story.columns})
    story.known = True


def _list_and_describe(story: SqlStory) -> None:
    story.seen_tables, story.known = story.steps, True
    table = result(story.steps, "tables", 0)
    steps = call("list_tables"), call("describe_table", table=table)
    story.add("list_and_describe", *steps, tells={"tables": table, "columns": story.columns})


def _is_new(story: SqlStory) -> bool:
    return story.seen_tables is None


def _can_describe(story: SqlStory) -> bool:
    return story.seen_tables is not None and not story.known


def _can_ask(story: SqlStory) -> bool:
    return story.known and has_rows(story)


LOOK: Final = Family(
    "look",
    named_table,
    (
        Move(_list, 1, _is_new),
        Move(_describe_it, 1, _can_describe, weight=9),
        Move(_list_and_describe, 2, _is_new, weight=2),
        Move(ask_over, 1, _can_ask),
        Move(ask_count, 1, _can_ask),
        Move(ask_two, 2, _can_ask),
    ),
)
