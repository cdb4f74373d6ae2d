"""The one owner of connections and transactions, on which every noun of the store rests."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, Row, Select, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from loop.errors import AlreadyRunning, CannotCreate, Damaged
from loop.store.tables import Lease, Table

PAGE: Final = 200
"""Rows a page. An iterator holds no transaction while its caller works on a row."""
CHUNK: Final = 5000
"""Values in one list of an `in (…)`; SQLite's own bound is 32,766."""
SQLITE: Final = ("malformed", "not a database", "no such table", "no such column", "no such view", "disk I/O error")
"""What SQLite says of a file that is damaged, or whose schema was changed by hand."""
POSTGRESQL: Final = ("42P01", "42703", "XX001", "XX002")
"""PostgreSQL's states for that: undefined table, undefined column, data corrupted, index corrupted."""
FULL: Final = "53100"
"""PostgreSQL's state where its disk is full."""

Insert = sqlite.Insert | postgresql.Insert
AnyRow = Row[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]
T = TypeVar("T")
EPOCH = select(Lease.epoch).where(Lease.name == bindparam("lease")).with_for_update(read=True)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Database:
    """A database, a clock, and the lease that guards every write.

    Attributes:
        clock: microseconds since the epoch.
        fence: the lease that this process holds, by name, and its epoch; None while it holds none.
    """

    def __init__(self, writer: Engine, reader: Engine, clock: Callable[[], int] = now) -> None:
        self._writer = writer
        self._reader = reader
        self._inserts: dict[type[Table], Insert] = {}
        self.clock = clock
        self.fence: tuple[str, int] | None = None

    def close(self) -> None:
        """Let go of every connection."""
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it or nothing.

        Raises:
            AlreadyRunning: another daemon took the lease; nothing was written.
            CannotCreate: the disk is full.
        """
        try:
            with self._writer.begin() as connection:
                self._check_fence(connection)
                yield connection
        except DBAPIError as error:
            if "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", None) == FULL:
                raise CannotCreate("The disk is full. Free some space, then type: loopd start") from error
            raise _spoiled(error) or error from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look, beside the writer."""
        try:
            with self._reader.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise _spoiled(error) or error from error

    def shrink(self, pages: int) -> None:
        """Give some empty pages of SQLite's file back to the disk; nothing elsewhere, or where it was made without."""
        if self._writer.dialect.name == "sqlite":
            with closing(self._writer.raw_connection()) as connection:
                # One step of the statement frees one page, and only a script is stepped to its end.
                connection.cursor().executescript(f"pragma incremental_vacuum({pages})")

    def _check_fence(self, connection: Connection) -> None:
        if self.fence is None:
            return
        name, epoch = self.fence
        if connection.scalar(EPOCH, {"lease": name}) != epoch:
            raise AlreadyRunning(f"The lease '{name}' was taken by another loopd; this one stops without writing")

    def insert(self, table: type[Table]) -> Insert:
        """Begin an insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        if table not in self._inserts:
            dialect = postgresql if self._writer.dialect.name == "postgresql" else sqlite
            self._inserts[table] = dialect.insert(table)
        return self._inserts[table]

    def insert_once(self, connection: Connection, table: type[Table], rows: Sequence[dict[str, Any]]) -> None:
        """Insert what is not there yet."""
        if rows:
            connection.execute(self.insert(table).on_conflict_do_nothing(), rows)

    def upsert(self, connection: Connection, table: type[Table], rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows; where the primary key is there already, replace the rest."""
        if not rows:
            return
        keys = [column.name for column in table.__table__.primary_key]
        statement = self.insert(table)
        fresh = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh), rows)

    def paged(
        self,
        query: AnySelect,
        key: InstrumentedAttribute[Any],
        build: Callable[[Connection, Sequence[AnyRow]], Sequence[T]],
    ) -> Iterator[T]:
        """Walk a query in the order of its first column, a page a transaction."""
        page = query.order_by(key).limit(PAGE)
        while True:
            with self.read() as connection:
                rows = connection.execute(page).all()
                built = build(connection, rows)
            yield from built
            if len(rows) < PAGE:
                return
            page = query.order_by(key).limit(PAGE).where(key > rows[-1][0])


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list to what one `in (…)` may hold."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def _spoiled(error: DBAPIError) -> Damaged | None:
    """Read what the database itself says of damage; None where it says something else."""
    state = getattr(error.orig, "sqlstate", None)
    said = " ".join(str(error.orig).split())
    if state not in POSTGRESQL and not (state is None and any(word in said for word in SQLITE)):
        return None
    return Damaged(f"The database is damaged: {said:.300}")
