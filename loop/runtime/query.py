"""Read-only queries beside a running daemon: what `loopd sql` and `loopd status` ask.

No SQLAlchemy here: it takes longer to import than the answer takes.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from loop.errors import CannotCreate, CheckNegative, Damaged, LoopdError, NotFound
from loop.redaction import redacted
from loop.runtime import database_url

PG_OPTIONS: Final = "-c idle_in_transaction_session_timeout=60000 -c lock_timeout=30000 -c timezone=UTC"
"""Of every connection to PostgreSQL, also of the store's own."""


class QueryResult(NamedTuple):
    """What a query answered; `more` where rows were left out."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool


Value = str | int | float | None
"""What a question mark in a statement may stand for."""


class Query(Protocol):
    """Answer one `select`, `values` or `with`: at most so many rows, and stopped after so many seconds."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    def __call__(
        self, statement: str, values: Sequence[Value] = (), *, rows: int = 1000, seconds: float = 10.0
    ) -> QueryResult:
        """Ask.

        Args:
            statement: one statement; where there are values, a `?` stands for each, and for nothing else.
            values: what the question marks stand for.
            rows: at most so many are answered.
            seconds: after so many it is stopped.

        Raises:
            CheckNegative: the database refuses the statement, or it took too long.
            Damaged: the file is.
        """
        ...


class _Asking:
    """One database, asked."""

    def __init__(self, dialect: str, answer: Callable[[str, Sequence[Value], int, float], QueryResult]) -> None:
        self.dialect = dialect
        self._answer = answer

    def __call__(
        self, statement: str, values: Sequence[Value] = (), *, rows: int = 1000, seconds: float = 10.0
    ) -> QueryResult:
        return self._answer(statement, values, rows, seconds)


def views(url: str) -> str:
    """Spell the query that lists the views, the operator's API."""
    if url.startswith("sqlite"):
        return "select name as \"view\" from sqlite_master where type = 'view' order by name"
    return (
        'select table_name as "view" from information_schema.views where table_schema = current_schema() '
        "order by table_name"
    )


@contextmanager
def read_only(url: str) -> Iterator[Query]:
    """Ask what an operator wants to know (`loopd sql`), beside a running daemon, with no way to change anything.

    Raises:
        ConfigError: the URL names no database that loopd can use.
        NotFound: there is no database yet.
        CannotCreate: the server cannot be reached.
    """
    _, rest = database_url.read(url)
    file = database_url.file_of(url)
    with _reading_sqlite(file) if file else _reading_postgresql(rest) as ask:
        yield ask


READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
"""All that a statement may do. No ATTACH, no PRAGMA, no write of any kind."""
UNSAFE: Final = frozenset(
    {"edit", "format", "fts3_tokenizer", "load_extension", "printf", "randomblob", "readfile", "writefile", "zeroblob"}
)
"""Functions that reach outside the database, or make so much out of nothing that no deadline stops them."""
STEPS: Final = 10_000
"""Steps of SQLite's machine between two looks at the clock: a millisecond or so."""
SPOILED: Final = ("malformed", "not a database", "disk I/O error", "invalid page", "could not read block")
"""What SQLite and PostgreSQL say of a file that is damaged."""
VALUE_BYTES: Final = 4_000_000
"""No value grows beyond this, whatever a statement multiplies."""


@contextmanager
def _reading_sqlite(file: Path) -> Iterator[Query]:
    path = file.resolve()
    if not path.exists():
        raise NotFound(f"There is no database at {path}. Type: loopd start")
    with closing(_opened(path)) as connection:
        connection.text_factory = lambda stored: stored.decode(errors="replace")  # a disk may have spoiled it
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        with suppress(sqlite3.Error):  # an older schema has none; SQLite makes it ready by what nobody else may do
            connection.execute("select rowid from trajectory_words_index limit 0")
        connection.set_authorizer(_authorize)

        def ask(statement: str, values: Sequence[Value], rows: int, seconds: float) -> QueryResult:
            connection.set_progress_handler(_deadline(seconds), STEPS)
            try:
                return _bounded(connection.execute(statement, values), rows)
            except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
                raise _refused(str(error), seconds) from error

        yield _Asking("sqlite", ask)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        for pragma in ("query_only=ON", "trusted_schema=OFF", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error as error:
        raise CannotCreate(f"The database {path} cannot be opened: {error}. Is it a file that you may read?") from error
    return connection


def _authorize(action: int, first: str | None, second: str | None, *_where: str | None) -> int:
    if action == sqlite3.SQLITE_PRAGMA and first == "data_version":  # the index of words asks whether it is up to date
        return sqlite3.SQLITE_OK
    if action not in READING or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in UNSAFE):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _deadline(seconds: float) -> Callable[[], int]:
    end = time.monotonic() + seconds
    return lambda: int(time.monotonic() > end)


@contextmanager
def _reading_postgresql(rest: str) -> Iterator[Query]:
    """Ask through a cursor of the server: it takes one query, and no statement that writes.

    A superuser could read the server's files: it asks as a role that reads tables only.
    """
    import psycopg  # noqa: PLC0415 - an extra; SQLite needs none of it

    try:
        connection = psycopg.connect(f"postgresql://{rest}", options=PG_OPTIONS, connect_timeout=5)
    except psycopg.Error as error:
        first = str(error).strip().partition("\n")[0]
        raise CannotCreate(redacted(f"database {rest.rpartition('@')[2]}: {first}")) from error
    connection.read_only = True

    def ask(statement: str, values: Sequence[Value], rows: int, seconds: float) -> QueryResult:
        spelled = statement.replace("%", "%%").replace("?", "%s") if values else statement
        watch = threading.Timer(seconds, connection.cancel_safe)
        watch.start()
        try:
            with connection.transaction(), connection.cursor(name="answer") as cursor:
                if connection.info.parameter_status("is_superuser") == "on":
                    connection.execute("set local role pg_read_all_data")
                return _bounded(cursor.execute(spelled.encode(), values or None), rows)
        except (psycopg.Error, ValueError) as error:
            raise _refused(str(error), seconds) from error
        finally:
            watch.cancel()

    with connection:
        yield _Asking("postgresql", ask)


def _bounded(cursor: Any, rows: int) -> QueryResult:  # noqa: ANN401 - a cursor of either driver
    columns = tuple(column[0] for column in cursor.description or ())
    if not columns:
        raise ValueError("that is not a query. Try: select * from v_rounds")
    fetched = cursor.fetchmany(rows + 1)
    return QueryResult(columns, [tuple(row) for row in fetched[:rows]], len(fetched) > rows)


def _refused(why: str, seconds: float) -> LoopdError:
    first = why.strip().splitlines()[0] if why.strip() else "refused"
    if "interrupted" in first or "canceling" in first:
        return CheckNegative(f"The statement took longer than {seconds:g} s and was stopped. Narrow it, or add a limit")
    if "not authorized" in first or "prohibited" in first:
        return CheckNegative(f"Only reading is allowed: {first}. The views are listed by: loopd sql")
    if any(word in first for word in SPOILED):
        return Damaged(f"The database is damaged: {first}")
    return CheckNegative(f"The database refuses the statement: {first}")
