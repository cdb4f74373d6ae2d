"""Looking something up and then writing with it: the value comes from a result, not from the user's words."""

from typing import Final

from task_generators.families.sql.story import (
    SqlStory,
    cell,
    named_table,
    number_of,
    one_table,
    query,
    two_tables,
    write,
)
from task_generators.writing import words
from task_generators.writing.story import Family, Move


def _id_of(story: SqlStory, name: str) -> str:
    return f"SELECT id FROM {story.kind.table} WHERE name = '{name}'"  # noqa: S608 - own words


def _note(story: SqlStory, text: str) -> str:
    return f"INSERT INTO notes ({story.kind.row}_id, text) VALUES ({{}}, '{text}')"  # noqa: S608 - own words


def _find(story: SqlStory) -> None:
    name = story.unread.pop()
    story.pending, story.value = cell(story.steps), story.ids[name]
    story.add("find", query(_id_of(story, name)), tells={"value": story.value}, name=name, **story.blanks)


def _note_it(story: SqlStory) -> None:
    text = words.news(story.rng)
    story.add("note_it", write(_note(story, text), story.pending), text=text, value=story.value, **story.blanks)
    story.pending = None


def _find_and_note(story: SqlStory) -> None:
    name, text = story.unread.pop(), words.news(story.rng)
    steps = query(_id_of(story, name)), write(_note(story, text), cell(story.steps))
    story.add("find_and_note", *steps, name=name, text=text, value=story.ids[name], **story.blanks)
    story.pending = None


def _has_unread(story: SqlStory) -> bool:
    return bool(story.unread)


def _has_found(story: SqlStory) -> bool:
    return story.pending is not None


NOTE: Final = Family(
    "note",
    two_tables,
    (
        Move(_find, 1, _has_unread),
        Move(_note_it, 1, _has_found, weight=6),
        Move(_find_and_note, 2, _has_unread, weight=4),
    ),
    unseen=True,
)


def _has_nothing(story: SqlStory) -> bool:
    return story.pending is None


ENDS: Final = {"highest": "DESC", "lowest": "ASC"}


def _top(story: SqlStory, end: str) -> str:
    table, number = story.kind.table, story.kind.number
    return f"SELECT name FROM {table} ORDER BY {number} {ENDS[end]} LIMIT 1"  # noqa: S608 - own words


def _set(story: SqlStory, value: int) -> str:
    return f"UPDATE {story.kind.table} SET {story.kind.number} = {value} WHERE name = '{{}}'"  # noqa: S608 - own words


def _ask_top(story: SqlStory) -> None:
    end = story.rng.choice(tuple(ENDS))
    story.pending, story.last = cell(story.steps), _at(story, end)
    story.add("ask_top", query(_top(story, end)), tells={"name": story.last}, end=end, **story.blanks)


def _at(story: SqlStory, end: str) -> str:
    """Name the row with the highest or the lowest number."""
    choose = max if end == "highest" else min
    return choose(story.rows, key=lambda name: story.rows[name])


def _set_it(story: SqlStory) -> None:
    value = story.fresh_value()
    story.add("set_it", write(_set(story, value), story.pending), name=story.last, value=value, **story.blanks)
    story.rows[story.last] = value
    story.pending = None


def _set_top(story: SqlStory) -> None:
    end, value = story.rng.choice(tuple(ENDS)), story.fresh_value()
    steps = query(_top(story, end)), write(_set(story, value), cell(story.steps))
    name = _at(story, end)
    story.add("set_top", *steps, end=end, name=name, value=value, **story.blanks)
    story.rows[name] = value


TOP: Final = Family(
    "top",
    named_table,
    (Move(_ask_top, 1, _has_nothing), Move(_set_it, 1, _has_found), Move(_set_top, 2, _has_nothing, weight=3)),
)


def _copy_number(story: SqlStory) -> None:
    """Give one row the number of another."""
    source = story.unread.pop()
    target = story.rng.choice([name for name in story.rows if name != source])
    said = {"source": source, "target": target, "value": story.rows[source], **story.blanks}
    story.add("copy_number", query(number_of(story, source)), write(_give(story, target), cell(story.steps)), **said)
    story.rows[target] = story.rows[source]


def _ask_number(story: SqlStory) -> None:
    name = story.unread.pop()
    story.pending, story.value, story.last = cell(story.steps), story.rows[name], name
    story.add("lookup", query(number_of(story, name)), tells={"value": story.value}, name=name, **story.blanks)


def _copy_it(story: SqlStory) -> None:
    target = story.rng.choice([name for name in story.rows if name != story.last])
    story.add("copy_it", write(_give(story, target), story.pending), target=target, value=story.value, **story.blanks)
    story.rows[target] = story.value
    story.pending = None


def _give(story: SqlStory, name: str) -> str:
    return f"UPDATE {story.kind.table} SET {story.kind.number} = {{}} WHERE name = '{name}'"  # noqa: S608 - own words


SAME: Final = Family(
    "same",
    one_table,
    (
        Move(_ask_number, 1, _has_unread),
        Move(_copy_it, 1, _has_found, weight=6),
        Move(_copy_number, 2, _has_unread, weight=3),
    ),
)
