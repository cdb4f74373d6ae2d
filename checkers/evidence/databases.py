"""Other databases of the same schema, to tell a right statement from one that is right on one database by luck.

What the user or a statement names stays where it is, with everything that it is named together with; all else is
drawn anew: numbers among them some on the border of every number that is named, and names that begin like the ones
that are named. Keys that are not named change places with each other, in all tables alike, so that tables still fit.
What a column says about itself stays: whether its values are all different, which are missing, how many decimals they
have. (The idea is that of test suites for text-to-SQL: Zhong, Yu and Klein, "Semantic Evaluation for Text-to-SQL with
Distilled Test Suites", 2020.)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from typing import Any, Final, NamedTuple, cast

from pydantic import JsonValue

from checkers.evidence.statements import KEY, Statement, names_in
from checkers.evidence.tables import Rows, holds, is_bare, rows_of
from checkers.evidence.words import SaidText
from loop.errors import LoopdError
from loop.types import Call
from task_generators.backends.worlds import BackendWorld, open_world

SQL: Final = "SQL"
DATABASES: Final = 3
MAX_ROWS: Final = 200
"""Rows of a table that are drawn anew; a larger one stays as it is."""

MAX_BORDER: Final = 6
"""Numbers and names beside which rows are drawn."""

MOST_DRAWS: Final = 20

DAY: Final = re.compile(r"(\d{4}-\d{2}-)(\d{2})(.*)", re.DOTALL)

Initial = Mapping[str, JsonValue]


class StatementPair(NamedTuple):
    """A plan's statement and a player's that is to do the same."""

    planned: str
    mine: str


def agree(initial: Initial, pair: StatementPair, said: str) -> bool | None:
    """Whether two statements do the same on other databases; None where these tell nothing.

    Args:
        initial: the SQL backend's state at the beginning.
        pair: the statements.
        said: what the user said: it stays true.
    """
    columns, answer = columns_of(initial), None
    if columns is None:
        return None
    draw = Drawing(columns, *named(initial, pair, said))
    for seed in range(DATABASES):
        verdict = _same_on(draw.anew(initial, Random(seed)), pair)
        if verdict is False:
            return False
        answer = answer or verdict
    return answer


def named(initial: Initial, pair: StatementPair, said: str) -> tuple[frozenset[str], tuple[float, ...]]:
    """Give what the user or a statement names, as text without case, and the numbers that a statement holds."""
    schema = names_in([str(initial.get("schema", ""))])
    statements = [Statement(sql=sql) for sql in pair]
    literals = [literal.value for statement in statements for literal in statement.literals(schema)]
    numbers = sorted({number for statement in statements for number in statement.numbers})
    spelled = [_spelt(number) for number in SaidText(text=said).numbers]
    return frozenset([*(_spelt(value).casefold() for value in literals), *spelled, *_words(said)]), (
        *numbers[:MAX_BORDER],
    )


def _words(said: str) -> Iterator[str]:
    yield from re.findall(r"[\w.@#-]*\w", said.casefold())


def statement_of(call: Call) -> str:
    """Give a call's statement: its one text."""
    return next((value for value in call.arguments.values() if isinstance(value, str)), "")


def table_of(call: Call, value: JsonValue) -> Rows | None:
    """Give the rows that a query found, without columns that the statement itself supplies; None for no table."""
    rows = rows_of(value)
    depends = Statement(sql=statement_of(call)).outputs if rows else []
    if not rows or len(depends) != len(rows[0]) or all(depends):
        return rows
    return [[cell for cell, kept in zip(row, depends, strict=False) if kept] for row in rows]


def _same_on(database: Initial, pair: StatementPair) -> bool | None:
    world = opened(database)
    if world is None:
        return None
    wanted = _outcome(world, pair.planned)
    mine = _outcome(world if isinstance(wanted, list) else opened(database), pair.mine)
    if wanted is None:
        return None
    if isinstance(wanted, list) and isinstance(mine, list):
        if is_bare(wanted) and is_bare(mine):
            return None
        return holds(mine, wanted, ordered=Statement(sql=pair.planned).ordered)
    return bool(wanted == mine)


def _outcome(world: BackendWorld | None, sql: str) -> Any:  # noqa: ANN401 - rows, a state, or nothing
    """Run a statement: the rows that it finds, or the state that it leaves; None where it fails."""
    if world is None:
        return None
    call = Call(name="execute" if Statement(sql=sql).writes else "query", arguments={"sql": sql})
    ok, value = world.answer(call)
    if not ok:
        return None
    rows = table_of(call, value)
    return rows if rows is not None else world.state()


def opened(database: Initial) -> BackendWorld | None:
    """Open a database; None where it cannot be built."""
    try:
        return open_world([SQL], {SQL: dict(database)})
    except LoopdError:
        return None


def columns_of(initial: Initial) -> dict[str, list[str]] | None:
    """Name the columns of every table; None where there is no database."""
    world = opened(initial)
    if world is None:
        return None
    state: Any = world.state()
    return {name: table["columns"] for name, table in state[SQL]["tables"].items()}


# --- drawing ---------------------------------------------------------------------------------------------------------


class Drawing(NamedTuple):
    """How databases are drawn anew."""

    columns: Mapping[str, Sequence[str]]
    """Of every table."""
    kept: frozenset[str]
    """What is named: it stays."""
    border: tuple[float, ...]
    """Numbers beside which there are to be some."""

    def anew(self, initial: Initial, rng: Random) -> dict[str, JsonValue]:
        """Draw a database."""
        tables: Any = initial.get("rows")
        keyed = self._keyed(rng, {name: [list(line) for line in lines] for name, lines in dict(tables or {}).items()})
        rows = {name: self._table(rng, self.columns.get(name, ()), lines) for name, lines in keyed.items()}
        return {**initial, "rows": cast("JsonValue", rows)}

    def _keyed(self, rng: Random, tables: dict[str, list[list[Any]]]) -> dict[str, list[list[Any]]]:
        """Let keys change places, in all tables alike."""
        keys = {
            name: [at for at, column in enumerate(self.columns.get(name, ())) if KEY.fullmatch(column)]
            for name in tables
        }
        cells = {row[at] for name, lines in tables.items() for row in lines for at in keys[name] if at < len(row)}
        old = sorted(cell for cell in cells if isinstance(cell, int) and not self._is_kept(cell))
        renamed = dict(zip(old, rng.sample(old, len(old)), strict=True))
        for name, lines in tables.items():
            for row in lines:
                for at in keys[name]:
                    row[at : at + 1] = [renamed.get(cell, cell) for cell in row[at : at + 1]]
        return tables

    def _table(self, rng: Random, names: Sequence[str], rows: list[list[Any]]) -> list[Any]:
        """Draw a table's rows anew, with a few more at its end."""
        if not rows or len(rows) > MAX_ROWS or {*map(len, rows)} != {len(names)}:
            return rows
        for index, name in enumerate(names):
            if not KEY.fullmatch(name):
                self._redraw(rng, rows, index)
        return [*rows, *self._more(rng, rows, names)]

    def _redraw(self, rng: Random, rows: list[list[Any]], index: int) -> None:
        """Draw the values of one column anew, in place. What is named stays beside what it is named with."""
        column = [row[index] for row in rows]
        free = [at for at, value in enumerate(column) if value is not None and not self._is_kept(value)]
        taken = {_spelt(value) for at, value in enumerate(column) if at not in free}
        for form in sorted({_form(column[at]) for at in free}):
            alike = [at for at in free if _form(column[at]) == form]
            for at, other in zip(alike, rng.sample(alike, len(alike)), strict=True):
                rows[at][index] = _other(rng, column[other], taken)
                taken.add(_spelt(rows[at][index]))

    def _is_kept(self, value: Any) -> bool:  # noqa: ANN401 - a cell
        return _spelt(value).casefold() in self.kept

    def _more(self, rng: Random, rows: Sequence[Sequence[Any]], names: Sequence[str]) -> list[list[Any]]:
        """Draw rows on the border: beside every number that is named, and with names that begin like one."""
        more: list[list[Any]] = []
        for index, name in enumerate(names):
            column = [row[index] for row in rows]
            for value in () if KEY.fullmatch(name) else self._border(column):
                drawn = [_fresh(rng, [row[at] for row in (*rows, *more)], name) for at, name in enumerate(names)]
                more.append([*drawn[:index], value, *drawn[index + 1 :]])
        return more[:MAX_ROWS]

    def _border(self, column: Sequence[Any]) -> Iterator[Any]:
        """Give values just at and beside what is named, of a column's kind, that the column does not have."""
        there = {_spelt(value) for value in column}
        if all(isinstance(value, int | float) or value is None for value in column):
            whole = all(isinstance(value, int) or value is None for value in column)
            values = [number + by for number in self.border for by in (-1.0, 0.0, 1.0)]
            yield from (int(value) if whole else value for value in values if _spelt(value) not in there)
        else:
            texts = [value for value in column if isinstance(value, str) and self._is_kept(value)]
            likes = [like for text in texts[:MAX_BORDER] for like in (f"{text}x", f"{text[:1]}zz")]
            yield from (like for like in likes if like not in there and not DAY.match(like))


def _form(value: Any) -> tuple[str, int]:  # noqa: ANN401 - a cell
    """Say of what kind a value is, and with how many decimals: 4.0 may be asked for as a whole number."""
    decimals = str(value).partition(".")[2] if isinstance(value, float) and not value.is_integer() else ""
    return type(value).__name__, len(decimals)


def _other(rng: Random, value: Any, taken: AbstractSet[str]) -> Any:  # noqa: ANN401 - a cell
    """Draw a value like another, that is not taken."""
    drawn = (_like(rng, value) for _ in range(MOST_DRAWS))
    return next((item for item in drawn if _spelt(item) not in taken), value)


def _like(rng: Random, value: Any) -> Any:  # noqa: ANN401 - a cell
    """Draw a value of the same form: as many decimals, another day of the month, another last letter."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if isinstance(value, str):
        if day := DAY.fullmatch(value):
            return f"{day[1]}{rng.randint(1, 28):02d}{day[3]}"
        return value[: max(1, len(value) - 1)] + rng.choice("abcdefghijklmnopqrstuvwxyz")
    reach = max(3, int(min(abs(value), 1e12)) // 4)
    if isinstance(value, int) or value.is_integer():
        return value + rng.randint(-reach, reach)
    return round(value + rng.uniform(-reach, reach), len(str(value).partition(".")[2]))


def _fresh(rng: Random, column: Sequence[Any], name: str) -> Any:  # noqa: ANN401 - a cell
    """Draw a value that a column does not have; the next number for a table's own key."""
    numbers = [value for value in column if isinstance(value, int) and not isinstance(value, bool)]
    if numbers and name.casefold() in {"id", "rowid"}:
        return max(numbers) + 1
    present = [value for value in column if value is not None]
    if KEY.fullmatch(name) or not present:
        return rng.choice(column)
    return _other(rng, rng.choice(present), {_spelt(value) for value in present})


def _spelt(value: Any) -> str:  # noqa: ANN401 - a cell
    """Spell a cell so that 4 and 4.0 are the same."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
