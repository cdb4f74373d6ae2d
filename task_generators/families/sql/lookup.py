"""Looking something up and then writing with it: the value comes from a result, not from the user's words."""

from typing import Final

from task_generators.families.sql.story import SqlStory, cell, named_table, one_table, query, two_tables, write
from task_generators.writing import words
from task_generators.writing.story import Family, Move


def _id_of(story: SqlStory, name: str) -> str:
    return f"SELECT id FROM {story.kind.table} WHERE name = '{name}'"  # noqa: S608 - own words


def _find(story: SqlStory) -> None:
    name = story.unread.pop()
    phrases = (
        "Select the id of {name} from {table}.",
        "What is the id of the {row} {name} in {table}?",
        "Look up the id of {name} in the table {table}.",
        "Get the id from {table} where the name is {name}.",
    )
    step = story.turn(story.phrase(phrases, name=name, **story.blanks), query(_id_of(story, name)))
    story.found = cell(step)


def _note_it(story: SqlStory) -> None:
    text = words.news(story.rng)
    phrases = (
        'Insert into notes a row with that id as {row}_id and the text "{text}"',
        'Now add to notes the text "{text}" with that id as {row}_id.',
        'Put a row into notes: {row}_id is that id, text is "{text}"',
        'Use that id as {row}_id and add "{text}" as text to notes.',
    )
    sql = f"INSERT INTO notes ({story.kind.row}_id, text) VALUES ({{}}, '{text}')"  # noqa: S608 - own words
    story.turn(story.phrase(phrases, text=text, **story.blanks), write(sql, story.found))
    story.found = None


def _find_and_note(story: SqlStory) -> None:
    name, text = story.unread.pop(), words.news(story.rng)
    phrases = (
        'Look up the id of {name} in {table}. Then insert into notes this id as {row}_id and the text "{text}"',
        'Select the id of {name} from {table}, then add to notes a row with it as {row}_id and the text "{text}"',
        'First get the id of the {row} {name} from {table}, then put it as {row}_id into notes, with text "{text}"',
        'Find the id of {name} in {table} and after that insert it into notes as {row}_id, text "{text}"',
    )
    sql = f"INSERT INTO notes ({story.kind.row}_id, text) VALUES ({{}}, '{text}')"  # noqa: S608 - own words
    user = story.phrase(phrases, name=name, text=text, **story.blanks)
    story.turn(user, query(_id_of(story, name)), write(sql, cell(story.steps)))
    story.found = None


def _has_unread(story: SqlStory) -> bool:
    return bool(story.unread)


def _has_found(story: SqlStory) -> bool:
    return story.found is not None


NOTE: Final = Family(
    "note",
    two_tables,
    (
        Move(_find, 1, _has_unread),
        Move(_note_it, 1, _has_found, weight=6),
        Move(_find_and_note, 2, _has_unread, weight=4),
    ),
)


def _has_nothing(story: SqlStory) -> bool:
    return story.found is None


ENDS: Final = {"highest": "DESC", "lowest": "ASC"}


def _top(story: SqlStory, end: str) -> str:
    table, number = story.kind.table, story.kind.number
    return f"SELECT name FROM {table} ORDER BY {number} {ENDS[end]} LIMIT 1"  # noqa: S608 - own words


def _ask_top(story: SqlStory) -> None:
    end = story.rng.choice(tuple(ENDS))
    phrases = (
        "Select the name of the {row} with the {end} {number} from {table}.",
        "Which {row} in {table} has the {end} {number}? Only the name.",
        "Get the name with the {end} {number} from {table}.",
        "Find the name of the row with the {end} {number} in {table}.",
    )
    step = story.turn(story.phrase(phrases, end=end, **story.blanks), query(_top(story, end)))
    story.found, story.last = cell(step), _at(story, end)


def _at(story: SqlStory, end: str) -> str:
    """Name the row with the highest or the lowest number."""
    choose = max if end == "highest" else min
    return choose(story.rows, key=lambda name: story.rows[name])


def _set_it(story: SqlStory) -> None:
    value = story.value()
    phrases = (
        "Set the {number} of that {row} to {value}.",
        "Change its {number} to {value}.",
        "Update that {row}: the {number} is now {value}.",
        "The {number} of that {row} should be {value}.",
    )
    table, number = story.kind.table, story.kind.number
    sql = f"UPDATE {table} SET {number} = {value} WHERE name = '{{}}'"  # noqa: S608 - own words
    story.turn(story.phrase(phrases, value=value, **story.blanks), write(sql, story.found))
    story.rows[story.last] = value
    story.found = None


def _set_top(story: SqlStory) -> None:
    end, value = story.rng.choice(tuple(ENDS)), story.value()
    phrases = (
        "Select the name with the {end} {number} from {table}, then set the {number} of that {row} to {value}.",
        "First find the name of the {row} with the {end} {number} in {table}, then change its {number} to {value}.",
        "Get the name of the {row} in {table} with the {end} {number}. After that set its {number} to {value}.",
        "Look up the name with the {end} {number} in {table} and then give that {row} the {number} {value}.",
    )
    table, number, first = story.kind.table, story.kind.number, story.steps
    sql = f"UPDATE {table} SET {number} = {value} WHERE name = '{{}}'"  # noqa: S608 - own words
    story.turn(
        story.phrase(phrases, end=end, value=value, **story.blanks), query(_top(story, end)), write(sql, cell(first))
    )
    story.rows[_at(story, end)] = value


TOP: Final = Family(
    "top",
    named_table,
    (Move(_ask_top, 1, _has_nothing), Move(_set_it, 1, _has_found), Move(_set_top, 2, _has_nothing, weight=3)),
)


def _copy_number(story: SqlStory) -> None:
    """Give one row the number of another."""
    source = story.unread.pop()
    target = story.rng.choice([name for name in story.rows if name != source])
    phrases = (
        "Look up the {number} of {source} in {table}, then give {target} the same {number}.",
        "Select the {number} of {source} from {table} and then set the {number} of {target} to it.",
        "First get the {number} of {source} from {table}, then update {target} to the same {number}.",
        "Find out which {number} {source} has in {table}. After that change the {number} of {target} to it.",
    )
    table, number, first = story.kind.table, story.kind.number, story.steps
    reading = f"SELECT {number} FROM {table} WHERE name = '{source}'"  # noqa: S608 - own words
    sql = f"UPDATE {table} SET {number} = {{}} WHERE name = '{target}'"  # noqa: S608 - own words
    user = story.phrase(phrases, source=source, target=target, **story.blanks)
    story.turn(user, query(reading), write(sql, cell(first)))


def _ask_number(story: SqlStory) -> None:
    name = story.unread.pop()
    phrases = (
        "Select the {number} of {name} from {table}.",
        "Which {number} does {name} have in {table}?",
        "Look up the {number} of {name} in {table}.",
        "Get the {number} of the {row} {name} from {table}.",
    )
    sql = f"SELECT {story.kind.number} FROM {story.kind.table} WHERE name = '{name}'"  # noqa: S608 - own words
    story.found = cell(story.turn(story.phrase(phrases, name=name, **story.blanks), query(sql)))


def _copy_it(story: SqlStory) -> None:
    target = story.name()
    phrases = (
        "Give {target} the same {number}.",
        "Now set the {number} of {target} to that too.",
        "{target} should have that {number} as well.",
        "Update {target} to the same {number}.",
    )
    table, number = story.kind.table, story.kind.number
    sql = f"UPDATE {table} SET {number} = {{}} WHERE name = '{target}'"  # noqa: S608 - own words
    story.turn(story.phrase(phrases, target=target, **story.blanks), write(sql, story.found))
    story.found = None


SAME: Final = Family(
    "same",
    one_table,
    (
        Move(_ask_number, 1, _has_unread),
        Move(_copy_it, 1, _has_found, weight=6),
        Move(_copy_number, 2, _has_unread, weight=3),
    ),
)
