"""SQL: a small SQLite database that a player may look into and change.

The database lives in a child process, which is all that ever sees a statement (`sql_child`). The child opens no file,
may run no function and do nothing that is not on its list, and is killed where a statement takes too long; the
database is then built anew from the initial state and the writes that succeeded. Ideas from SQLite's "Defense against
the dark arts" (sqlite.org/security.html).
"""

import json
import selectors
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import IO, Final

import psutil
from pydantic import JsonValue

from loop.types import Record, Tool
from task_generators.backends.backend import BadState, Simulator
from task_generators.backends.schemas import tool_of
from task_generators.backends.sql_child import TOO_LONG

STATEMENT_SECONDS: Final = 2.5
"""Of the processor's time that a statement may take before its process is killed; the child gives up after one."""

START_SECONDS: Final = 30.0
"""The same for what we ask ourselves: to build the database, to give all of it."""

WALL_SECONDS: Final = 30.0
"""How long an answer may take on a machine that is busy."""

LOOK_SECONDS: Final = 0.25
"""How often a child that does not answer is looked at."""

MAX_LINE: Final = 4_000_000
"""Bytes of one answer: more than the whole database takes."""

MAX_STOPS: Final = 3
"""Statements that may take too long before the database is closed, so that a play has an end."""

KILLED: Final = "the statement took too long or too much memory, and was stopped"

STATEMENT: Final = {"type": "string", "description": "One SQL statement, in SQLite's dialect."}

DOCUMENTS: Final = (
    {"name": "list_tables", "description": "List the tables of the database.", "parameters": {"type": "dict"}},
    {
        "name": "describe_table",
        "description": "Describe a table: its columns with their types, and its number of rows.",
        "parameters": {
            "type": "dict",
            "properties": {"table": {"type": "string", "description": "The table's name."}},
            "required": ["table"],
        },
    },
    {
        "name": "query",
        "description": "Run one SELECT statement and return its columns and rows. It can change nothing.",
        "parameters": {"type": "dict", "properties": {"sql": STATEMENT}, "required": ["sql"]},
    },
    {
        "name": "execute",
        "description": "Run one INSERT, UPDATE or DELETE statement on one table and return how many rows it changed.",
        "parameters": {"type": "dict", "properties": {"sql": STATEMENT}, "required": ["sql"]},
    },
)


class SqlBackend(Record):
    """Databases. The initial state: `schema`, CREATE TABLE statements as one text; `rows`, lists of rows per table."""

    name: str = "SQL"

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The four tools: two that look around, one that reads, one that writes."""
        return TOOLS

    def open(self, initial: Mapping[str, JsonValue], *, long_context: bool) -> Simulator:
        """Start a child with a database of its own.

        Raises:
            BadState: the schema or a row is refused; the message holds SQLite's words.
        """
        del long_context
        return SqlDatabase(initial)


BACKENDS: Final = (SqlBackend(),)

TOOLS: Final[Mapping[str, Tool]] = MappingProxyType({tool.name: tool for tool in map(tool_of, DOCUMENTS)})


class SqlDatabase:
    """One play's database. Its child ends with it."""

    def __init__(self, initial: Mapping[str, JsonValue]) -> None:
        """Build the database from `schema` and `rows`.

        Raises:
            BadState: SQLite refuses the schema or a row.
        """
        self._initial = dict(initial)
        self._written: list[str] = []
        self._stops = 0
        self._tables: JsonValue = None
        self._child = DatabaseProcess()
        answer = self._child.ask({"do": "build", **self._initial}, START_SECONDS)
        if "error" in answer:
            raise BadState(f"initial state of SQL: {answer['error']}")

    def remembers(self) -> dict[str, JsonValue]:
        """Give every table with its columns and its rows, the rows in an order of their own."""
        for _ in range(2):  # a child that was killed meanwhile is asked again, built anew
            if self._tables is None:
                self._tables = self._exchange({"do": "dump"}, START_SECONDS).get("tables")
        return {"tables": self._tables}

    def list_tables(self) -> dict[str, JsonValue]:
        """List the tables by name."""
        return self._ask({"do": "list"})

    def describe_table(self, table: str) -> dict[str, JsonValue]:
        """Describe a table's columns and count its rows."""
        return self._ask({"do": "describe", "table": table})

    def query(self, sql: str) -> dict[str, JsonValue]:
        """Read."""
        return self._ask({"do": "query", "sql": sql})

    def execute(self, sql: str) -> dict[str, JsonValue]:
        """Write."""
        answer = self._ask({"do": "execute", "sql": sql})
        if "error" not in answer:
            self._written.append(sql)
            self._tables = None
        return answer

    def _ask(self, request: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Ask for the player, unless its statements have taken too long too often."""
        if self._stops >= MAX_STOPS:
            return {"error": f"this database is closed: {MAX_STOPS} statements took too long"}
        answer = self._exchange(request, STATEMENT_SECONDS)
        self._stops += answer.get("error") in {TOO_LONG, KILLED}
        return answer

    def _exchange(self, request: Mapping[str, JsonValue], seconds: float) -> dict[str, JsonValue]:
        """Ask the child. One that is gone is built anew: the initial state, and what was written since."""
        if not self._child.running:
            self._child = DatabaseProcess()
            self._child.ask({"do": "build", **self._initial}, START_SECONDS)
            for sql in self._written:
                self._child.ask({"do": "execute", "sql": sql}, START_SECONDS)
        return self._child.ask(request, seconds)


class DatabaseProcess:
    """The process that holds a database: it reads one line of JSON and answers one, and ends when its input does."""

    def __init__(self) -> None:
        program = str(files("task_generators.backends") / "sql_child.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            bufsize=0,
        )
        self._end = weakref.finalize(self, _end, self._process)

    @property
    def running(self) -> bool:
        """Whether it can be asked again."""
        return self._end.alive

    def ask(self, request: Mapping[str, JsonValue], seconds: float) -> dict[str, JsonValue]:
        """Send a request and wait for the answer. A child that gives none is killed, and the answer is an error.

        Args:
            request: what to do.
            seconds: of the processor's time that it may take, so that a busy machine stops no statement.
        """
        try:
            spent = self._spent()
            _pipe(self._process.stdin).write(json.dumps(request).encode() + b"\n")
            return dict(json.loads(self._line(spent + seconds)))
        except (OSError, ValueError, TimeoutError, psutil.Error):
            self._end()
            return {"error": KILLED}

    def _spent(self) -> float:
        """Give the processor's time that it has taken so far, in seconds."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def _line(self, most: float) -> bytes:
        """Read one line, until the child has taken so much of the processor's time.

        Raises:
            TimeoutError: none came in time, or none that is short enough.
            ValueError: the child ended.
        """
        line, pipe, deadline = bytearray(), _pipe(self._process.stdout), time.monotonic() + WALL_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(LOOK_SECONDS):
                    if self._spent() > most or time.monotonic() > deadline:
                        raise TimeoutError
                    continue
                if len(line) > MAX_LINE:
                    raise TimeoutError
                if not (part := pipe.read(65_536)):
                    raise ValueError
                line += part
        return bytes(line)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    _pipe(process.stdin).close()
    _pipe(process.stdout).close()
