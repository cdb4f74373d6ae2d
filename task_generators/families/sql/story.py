"""What the author of a database task keeps in mind: the tables, and what stands in them by now."""

from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.story import Story, call, result

BACKEND: Final = "SQL"


class Kind(NamedTuple):
    """A kind of table: its name, what its rows are called, and its columns beside `id` and `name`."""

    table: str
    row: str
    number: str
    people: bool
    """Whether its rows are named like people."""


KINDS: Final = (
    Kind("customers", "customer", "credit", people=True),
    Kind("students", "student", "score", people=True),
    Kind("players", "player", "points", people=True),
    Kind("workers", "worker", "salary", people=True),
    Kind("members", "member", "visits", people=True),
    Kind("drivers", "driver", "miles", people=True),
    Kind("products", "product", "price", people=False),
    Kind("books", "book", "pages", people=False),
    Kind("songs", "song", "seconds", people=False),
    Kind("courses", "course", "seats", people=False),
    Kind("rooms", "room", "places", people=False),
    Kind("parts", "part", "stock", people=False),
)


@dataclass
class SqlStory(Story):
    """What the author knows of the database by now."""

    kind: Kind = KINDS[0]
    rows: dict[str, int] = field(default_factory=dict)
    """What is in the table: the number of each name."""
    fresh: list[str] = field(default_factory=list)
    """Names that stand nowhere yet."""
    known: bool = False
    """Whether the user has named the table."""
    last: str = ""
    """The name that the last turn found."""
    found: From | None = None
    """The id that the last turn found, for which nothing has been done."""
    asked: list[str] = field(default_factory=list)
    """Statements that were read with: nobody asks the same thing twice."""
    unread: list[str] = field(default_factory=list)
    """Names that nobody has looked up."""
    seen_tables: int | None = None
    """The step that listed the tables."""

    @property
    def blanks(self) -> dict[str, str]:
        """What phrases may call the table and its columns."""
        return {"table": self.kind.table, "row": self.kind.row, "number": self.kind.number}

    def value(self) -> int:
        """Draw a number that no row has: there are no ties."""
        return self.rng.choice([value for value in range(20, 980) if value not in self.rows.values()])

    def name(self) -> str:
        """Draw a name that is in the table."""
        return self.rng.choice(list(self.rows))


def one_table(rng: Random) -> SqlStory:
    """A database of one table with seven rows."""
    kind = rng.choice(KINDS)
    pool = words.FIRST_NAMES if kind.people else tuple(place.title() for place in words.PLACES)
    names = words.some(rng, pool, 24)
    numbers = words.some(rng, range(20, 980), 7)
    rows = dict(zip(names[:7], numbers, strict=True))
    first = rng.randrange(1, 90)
    schema = f"CREATE TABLE {kind.table} (id INTEGER PRIMARY KEY, name TEXT, {kind.number} INTEGER);"
    filled: list[JsonValue] = [[first + place, name, number] for place, (name, number) in enumerate(rows.items())]
    state: JsonValue = {"schema": schema, "rows": {kind.table: filled}}
    return SqlStory(rng, {BACKEND: state}, kind=kind, rows=rows, fresh=names[7:], unread=list(rows))


def named_table(rng: Random) -> SqlStory:
    """The same; the names in it tell one task from another where the plan does not hold them."""
    story = one_table(rng)
    story.key = list(story.rows)
    return story


def two_tables(rng: Random) -> SqlStory:
    """One table, and an empty one of notes that refer to the rows by id."""
    story = one_table(rng)
    state = story.initial[BACKEND]
    assert isinstance(state, dict)
    schema = f"{state['schema']} CREATE TABLE notes ({story.kind.row}_id INTEGER, text TEXT);"
    story.initial[BACKEND] = {**state, "schema": schema}
    return story


def query(sql: str) -> PlannedCall:
    """Plan a statement that reads."""
    return call("query", sql=sql)


def write(sql: str, value: From | None = None) -> PlannedCall:
    """Plan a statement that writes. Where a value is given, it goes where the braces are."""
    if value is None:
        return call("execute", sql=sql)
    return call("execute", sql=result(value.step, *value.path, rule="text", operand=sql))


def cell(step: int) -> From:
    """The one value that a query finds."""
    return result(step, "rows", 0, 0)
