"""What the author of a database task keeps in mind: the tables, and what stands in them by now."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws, ValuePool
from task_generators.writing.story import Story, call, result

BACKEND: Final = "SQL"

ROWS: Final = 7


class Kind(NamedTuple):
    """A kind of table: its name, what its rows are called, and its columns beside `id` and `name`.

    Draws spell it out: another class name would draw other tasks.
    """

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
    Kind("patients", "patient", "weight", people=True),
    Kind("guests", "guest", "nights", people=True),
    Kind("authors", "author", "sales", people=True),
    Kind("runners", "runner", "laps", people=True),
    Kind("products", "product", "price", people=False),
    Kind("books", "book", "pages", people=False),
    Kind("songs", "song", "seconds", people=False),
    Kind("courses", "course", "seats", people=False),
    Kind("rooms", "room", "places", people=False),
    Kind("parts", "part", "stock", people=False),
    Kind("hotels", "hotel", "beds", people=False),
    Kind("trails", "trail", "meters", people=False),
    Kind("ships", "ship", "tons", people=False),
    Kind("games", "game", "levels", people=False),
)

TABLES: Final = ValuePool(KINDS)
TITLES: Final = ValuePool(place.title() for place in words.PLACES.all)


@dataclass
class SqlStory(Story):
    """What the author knows of the database by now."""

    words: ClassVar[str] = "sql"

    kind: Kind = KINDS[0]
    rows: dict[str, int] = field(default_factory=dict)
    """What is in the table: the number of each name."""
    ids: dict[str, int] = field(default_factory=dict)
    """The ids of those who were there from the beginning."""
    fresh: list[str] = field(default_factory=list)
    """Names that stand nowhere yet."""
    known: bool = False
    """Whether the user has named the table."""
    last: str = ""
    """The name that the last turn found."""
    pending: From | None = None
    """The value that the last turn found, for which nothing has been done."""
    value: int = 0
    """That value."""
    asked: list[str] = field(default_factory=list)
    """Statements that were read with: nobody asks the same thing twice."""
    unread: list[str] = field(default_factory=list)
    """Names that nobody has looked up."""
    seen_tables: int | None = None
    """The step that listed the tables."""

    @property
    def blanks(self) -> dict[str, Any]:
        """What a sentence may call the table and its columns."""
        return {"table": self.kind.table, "row": self.kind.row, "number": self.kind.number}

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns."""
        return ("id", "name", self.kind.number)

    def fresh_value(self) -> int:
        """Draw a number that no row has: there are no ties."""
        while (drawn := self.rng.number(20, 979)) in self.rows.values():
            pass
        return drawn

    def name(self) -> str:
        """Draw a name that is in the table."""
        return self.rng.choice(list(self.rows))


def one_table(rng: Draws) -> SqlStory:
    """A database of one table with seven rows."""
    kind = rng.one(TABLES)
    names = rng.alike(words.FIRST_NAMES if kind.people else TITLES, 24)
    rows = dict(zip(names[:ROWS], _numbers(rng), strict=True))
    first = rng.number(1, 90)
    ids = {name: first + index for index, name in enumerate(rows)}
    schema = f"CREATE TABLE {kind.table} (id INTEGER PRIMARY KEY, name TEXT, {kind.number} INTEGER);"
    filled: list[JsonValue] = [[ids[name], name, number] for name, number in rows.items()]
    state: JsonValue = {"schema": schema, "rows": {kind.table: filled}}
    return SqlStory(rng, {BACKEND: state}, kind=kind, rows=rows, ids=ids, fresh=names[ROWS:], unread=list(rows))


def _numbers(rng: Draws) -> list[int]:
    """Draw different numbers, some of them near each other."""
    drawn: dict[int, None] = {}
    while len(drawn) < ROWS:
        number = rng.number(20, 979)
        drawn[number] = None
        drawn[rng.near(number, 20)] = None
    return list(drawn)[:ROWS]


def named_table(rng: Draws) -> SqlStory:
    """The same; the names in it tell one task from another where the plan does not hold them."""
    story = one_table(rng)
    story.key = list(story.rows)
    return story


def two_tables(rng: Draws) -> SqlStory:
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


def number_of(story: SqlStory, name: str) -> str:
    """Write the statement that reads one row's number."""
    return f"SELECT {story.kind.number} FROM {story.kind.table} WHERE name = '{name}'"  # noqa: S608 - own words
