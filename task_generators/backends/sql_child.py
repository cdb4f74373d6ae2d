"""The child process of the SQL backend: one database in memory, and one request a line.

It is run as a program by its path, with nothing but the standard library, and imports nothing of loopd. Before the
first request it gives up opening files, writing files, and more memory than `MEMORY`. Every statement runs under an
allow-list of actions and functions, SQLite's own limits, and one second of time.
"""

import json
import math
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

MEMORY = 256 * 1024 * 1024
"""Bytes of address space beyond what the process starts with."""

HEAP = 48 * 1024 * 1024
"""Bytes that SQLite itself may hold."""

PAGES = 128
"""Pages of 4 KiB that a database may fill. A byte of them takes seven characters of a line at most (NULL, escapes)."""

SECONDS = 1.0
"""Of the processor's time, so that a busy machine stops no statement that an idle one would not."""
CPU_SECONDS = 6
"""Of the whole process."""
STEPS = 1_000
"""Instructions of SQLite's machine between two looks at the clock."""

TOO_LONG = "the statement took too long, and was stopped"
"""What is said of a statement that has used up its time: its owner counts them."""

MAX_ROWS = 1_000
MAX_CHANGES = 1_000
MAX_ANSWER = 200_000
"""Characters of one answer's columns and rows."""

LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 200_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 20,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 200,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
WRITING = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
BUILDING = {
    *READING,
    *WRITING,
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_REINDEX,
    sqlite3.SQLITE_TRANSACTION,
}

FUNCTIONS = set(
    "abs avg coalesce count cume_dist date datetime dense_rank first_value group_concat hex ifnull iif instr julianday "  # noqa: SIM905 - a list of words
    "lag last_value lead length like glob lower ltrim max min nth_value ntile nullif percent_rank quote rank replace "
    "round row_number rtrim sign strftime substr substring sum time total trim typeof unicode unixepoch upper "
    "string_agg concat concat_ws char ceil ceiling floor mod pow power sqrt".split()
)


class StatementRefused(Exception):
    """A statement that is not run, or was stopped; the player reads why."""


class PlayDatabase:
    """The database of one play."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
        self._allowed: set[int] = set()
        self._table: str | None = None
        self._deadline = 0.0
        self._harden()

    def _harden(self) -> None:
        for pragma in (
            "trusted_schema=0",
            "cell_size_check=1",
            "temp_store=MEMORY",
            "journal_mode=MEMORY",
            "foreign_keys=1",
            f"hard_heap_limit={HEAP}",
            f"max_page_count={PAGES}",
        ):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        for limit, most in LIMITS.items():
            self._connection.setlimit(limit, most)

    # --- what is asked for ------------------------------------------------------------------------------------------

    def build(self, schema: str, rows: dict[str, list[list[Any]]]) -> dict[str, Any]:
        """Make the tables and fill them."""
        self._guard(BUILDING)
        for statement in _statements(schema):
            self._connection.execute(statement)
        for table, lines in rows.items():
            for line in lines:
                self._connection.execute(f"INSERT INTO {_quoted(table)} VALUES ({','.join('?' * len(line))})", line)  # noqa: S608 - quoted
        return {}

    def dump(self) -> dict[str, Any]:
        """Give every table with its columns and its rows, the rows in an order of their own."""
        return {"tables": {name: self._rows(name) for name in self._names()}}

    def tables(self) -> dict[str, Any]:
        """Name the tables."""
        return {"tables": self._names()}

    def describe(self, table: str) -> dict[str, Any]:
        """Describe one table."""
        if table not in self._names():
            raise StatementRefused(f"no such table: {table}")
        self._trust()
        columns = self._connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
        count = self._connection.execute(f"SELECT count(*) FROM {_quoted(table)}").fetchone()[0]  # noqa: S608 - quoted
        described = [
            {"name": name, "type": kind, "not_null": bool(needed), "primary_key": bool(key)}
            for _, name, kind, needed, _, key in columns
        ]
        return {"table": table, "columns": described, "row_count": count}

    def query(self, sql: str) -> dict[str, Any]:
        """Run one statement that reads."""
        self._guard(READING)
        cursor = self._connection.execute(sql)
        if cursor.description is None:
            raise StatementRefused("query runs one SELECT statement")
        columns, rows = [column[0] for column in cursor.description], []
        room = MAX_ANSWER - len(json.dumps(columns))
        for row in cursor:
            rows.append([_plain(value) for value in row])
            room -= len(json.dumps(rows[-1]))
            if len(rows) > MAX_ROWS or room < 0:
                raise StatementRefused(
                    f"more than {MAX_ROWS} rows, or too much text: ask for less, with WHERE or LIMIT"
                )
        return {"columns": columns, "rows": rows}

    def execute(self, sql: str) -> dict[str, Any]:
        """Run one statement that writes to one table, all of it or nothing."""
        self._trust()
        self._connection.execute("BEGIN")
        try:
            changed = self._write(sql)
        except BaseException:
            self._trust()
            if self._connection.in_transaction:  # a full database has rolled back by itself
                self._connection.execute("ROLLBACK")
            raise
        self._trust()
        self._connection.execute("COMMIT")
        return {"rows_changed": changed}

    def _write(self, sql: str) -> int:
        self._guard({*READING, *WRITING})
        cursor = self._connection.execute(sql)
        cursor.fetchmany(MAX_ROWS)
        if self._table is None:
            raise StatementRefused("execute runs one INSERT, UPDATE or DELETE statement")
        if cursor.rowcount > MAX_CHANGES:
            raise StatementRefused(f"more than {MAX_CHANGES} rows would change")
        return cursor.rowcount

    # --- what is allowed --------------------------------------------------------------------------------------------

    def _trust(self) -> None:
        """Let our own next statement do anything."""
        self._connection.set_authorizer(None)
        self._connection.set_progress_handler(None, STEPS)

    def _guard(self, allowed: set[int]) -> None:
        """Let the next statement do what is allowed, for one second."""
        self._allowed, self._table, self._deadline = allowed, None, time.process_time() + SECONDS
        self._connection.set_authorizer(self._authorize)
        self._connection.set_progress_handler(lambda: time.process_time() > self._deadline, STEPS)

    def _authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action not in self._allowed:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in FUNCTIONS:
            return sqlite3.SQLITE_DENY
        building = sqlite3.SQLITE_CREATE_TABLE in self._allowed
        if (first or "").lower().startswith("sqlite_") and not building:
            return sqlite3.SQLITE_DENY
        if action in WRITING and not building:
            self._table = self._table or first
            return sqlite3.SQLITE_OK if self._table == first else sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    # --- what there is ----------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        self._trust()
        rows = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in rows if not name.startswith("sqlite_")]

    def _rows(self, table: str) -> dict[str, Any]:
        cursor = self._connection.execute(f"SELECT * FROM {_quoted(table)}")  # noqa: S608 - quoted
        rows = sorted(([_plain(value) for value in row] for row in cursor), key=json.dumps)
        return {"columns": [column[0] for column in cursor.description], "rows": rows}


def _statements(schema: str) -> list[str]:
    """Cut a schema where SQLite says that a statement is complete."""
    statements, text = [], ""
    for part in schema.split(";"):
        text += part + ";"
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return [statement for statement in statements if statement.strip(" \n\t;")]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> Any:  # noqa: ANN401 - SQLite's value
    """Spell what JSON has no word for: bytes in hex, infinities as text."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def answer(database: PlayDatabase, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked for; what goes wrong is an answer too."""
    try:
        return _answer(database, **request)
    except MemoryError:
        return {"error": "out of memory"}
    except (sqlite3.Error, sqlite3.Warning, StatementRefused, ValueError, OverflowError, TypeError) as error:
        return {"error": _error_text(str(error))}


def _error_text(message: str) -> str:
    """Say an error so that a player can act on it."""
    if message == "interrupted":
        return TOO_LONG
    if message == "not authorized":
        return "not authorized: query runs SELECT only, execute one INSERT, UPDATE or DELETE on one table"
    return message[:1_000]


def _answer(database: PlayDatabase, do: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    asked: dict[str, Callable[..., dict[str, Any]]] = {
        "build": database.build,
        "dump": database.dump,
        "list": database.tables,
        "describe": database.describe,
        "query": database.query,
        "execute": database.execute,
    }
    return asked[do](**request)


def confine() -> None:
    """Give up what the process no longer needs: files, memory, time, children."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 3,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_AS: MEMORY,
    }
    for limit, most in limits.items():
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):  # macOS knows no limit of address space
            continue


def main() -> None:
    """Answer line after line."""
    database = PlayDatabase()
    confine()
    for line in sys.stdin:
        print(json.dumps(answer(database, json.loads(line))), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
