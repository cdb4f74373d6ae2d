"""Defog's SQL-Eval as suites: single-shot questions on eleven databases, out of a directory that the user brings.

The directory holds SQL-Eval's question files for SQLite (github.com/defog-ai/sql-eval) and the dumps of its databases
(github.com/defog-ai/defog-data), both under Apache-2.0. Several statements may be right for a question. Whatever cannot
decide is left out and listed: a question none of whose statements runs, one whose answer is empty on these rows, and
one whose answer depends on the day on which it is asked.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from loop.errors import ConfigError
from loop.types import Part, Record, Split, Suite, Task, Tier, Turn
from task_generators.backends.sql_backend import DatabaseProcess
from task_generators.suites.brought.postgres_dump import sqlite_of
from task_generators.text_to_sql import asked

FILES: Final[Mapping[str, str]] = {
    "defog": "questions_gen_sqlite.csv",
    "defog-basic": "instruct_basic_sqlite.csv",
    "defog-advanced": "instruct_advanced_sqlite.csv",
}
CHECKERS: Final = (Part(use="sql_match", settings={"clean": False, "elsewhere": False}),)
"""SQL-Eval's own rule: what the statement finds on the database at hand; what stands around it is told apart."""
SQL: Final = "SQL"
SECONDS: Final = 30.0
LARGEST: Final = 5_000_000
"""Bytes of a file."""
MOST_QUESTIONS: Final = 2_000
MOST_GOLDS: Final = 40
COLUMNS: Final = frozenset({"db_name", "query_category", "query", "question"})
TODAY: Final = re.compile(r"(?i)'now'|\bcurrent_(?:date|time|timestamp)\b|\b(?:date|datetime|julianday)\(\s*\)")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


class LeftOut(NamedTuple):
    """A question, or one of its statements, that decides nothing."""

    suite: str
    line: int
    """Of its file, counted from 1 with the head."""
    database: str
    why: str


class Brought(NamedTuple):
    """What a directory holds."""

    suites: tuple[Suite, ...]
    left_out: tuple[LeftOut, ...]


class DefogQuestion(Record):
    """One line of a question file."""

    line: int
    database: str
    category: str
    golds: tuple[str, ...]
    question: str


class DefogDatabase:
    """One of the databases: opened once, asked for every question on it."""

    def __init__(self, file: Path) -> None:
        """Load a dump.

        Raises:
            ConfigError: it cannot be read, or SQLite refuses it.
        """
        try:
            text = sqlite_of(_text(file))
        except ValueError as error:
            raise ConfigError(f"{file}: {error}") from error
        self._child = DatabaseProcess()
        built = self._child.ask({"do": "build", "schema": text, "rows": {}}, SECONDS)
        if "error" in built:
            raise ConfigError(f"{file}: SQLite refuses it: {built['error']}")
        tables: Any = self._child.ask({"do": "dump"}, SECONDS).get("tables", {})
        self.schema = "\n".join(_creating(text))
        self.initial: dict[str, JsonValue] = {
            "schema": self.schema,
            "rows": {name: tables[name]["rows"] for name in _in_order(self.schema, tables)},
        }

    def find(self, sql: str) -> tuple[list[Any] | None, str]:
        """Run a statement that reads: its rows, or what SQLite says."""
        answer: Any = self._child.ask({"do": "query", "sql": sql}, SECONDS)
        return (None, str(answer["error"])) if "error" in answer else (answer["rows"], "")


def read(directory: Path) -> Brought:
    """Read a directory.

    Raises:
        ConfigError: it is none, a file is missing or broken, or a dump cannot be loaded.
    """
    if not directory.is_dir():
        raise ConfigError(f"There is no directory {directory}.")
    databases: dict[str, DefogDatabase] = {}
    suites, left_out = [], []
    for name, file in FILES.items():
        questions = list(_questions(directory / file))
        for database in sorted({question.database for question in questions} - databases.keys()):
            databases[database] = DefogDatabase(directory / f"{database}.sql")
        tasks = []
        for question in questions:
            golds, why = _sound(question, databases[question.database])
            left_out += [LeftOut(name, question.line, question.database, reason) for reason in why]
            if golds:
                tasks.append(_task(name, question, golds, databases[question.database]))
        suites.append(Suite(name=name, tasks=tuple(tasks), checkers=CHECKERS))
    return Brought(tuple(suites), tuple(left_out))


def _questions(file: Path) -> Iterator[DefogQuestion]:
    lines = csv.DictReader(io.StringIO(_text(file), newline=""))
    if missing := COLUMNS - set(lines.fieldnames or ()):
        raise ConfigError(f"{file} has no column {', '.join(sorted(missing))}.")
    for number, row in enumerate(lines, start=2):
        if number > MOST_QUESTIONS:
            raise ConfigError(f"{file} has more than {MOST_QUESTIONS} questions.")
        if not NAME.fullmatch(row["db_name"] or ""):
            raise ConfigError(f"{file}, line {number}: '{row['db_name']!s:.40}' is not a database name.")
        more = (row.get("full_instructions") or row.get("instructions") or "").strip()
        question = " ".join(filter(None, ((row["question"] or "").strip(), more)))
        golds = tuple(_statements(row["query"] or ""))[:MOST_GOLDS]
        yield DefogQuestion(
            line=number,
            database=row["db_name"],
            category=(row["query_category"] or "other").lower(),
            golds=golds,
            question=question,
        )


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ConfigError(f"{file} is longer than {LARGEST} bytes.")
        return data.decode()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}. Name the directory that holds the questions as CSV.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not valid UTF-8.") from error


def _statements(text: str) -> Iterator[str]:
    """Cut a text at semicolons outside of quotes."""
    parts = re.findall(r"(?:'(?:[^']|'')*'|\"[^\"]*\"|[^;'\"])+", text)
    yield from (part.strip() for part in parts if part.strip())


def _creating(text: str) -> Iterator[str]:
    yield from (part.group(0) for part in re.finditer(r"(?is)\bcreate\s+table\b.*?\)\s*;", text))


def _in_order(schema: str, tables: Mapping[str, Any]) -> list[str]:
    """Put the tables in the order in which they are made: a row may refer to one of an earlier table."""
    return sorted(tables, key=lambda name: _place(schema, name))


def _place(schema: str, name: str) -> int:
    match = re.search(rf"(?i)create\s+table\s+\"?{re.escape(name)}\b", schema)
    return match.start() if match else len(schema)


def _sound(question: DefogQuestion, database: DefogDatabase) -> tuple[tuple[str, ...], list[str]]:
    """Give the statements that run, and why the others, or the question, are left out."""
    if TODAY.search(" ".join(question.golds)):
        return (), ["its answer depends on the day on which it is asked"]
    kept, why = [], []
    for gold in question.golds:
        rows, error = database.find(gold)
        if rows is None:
            why.append(f"a right statement does not run: {error}")
        elif all(cell is None for row in rows for cell in row):
            why.append("its answer is empty on these rows")
        else:
            kept.append(gold)
    return tuple(kept), why


def _task(suite: str, question: DefogQuestion, golds: Sequence[str], database: DefogDatabase) -> Task:
    first, *others = golds
    user = asked(database.schema, question.question)
    return Task(
        generator="defog",
        family=question.category,
        tier=Tier.EASY,
        seed=question.line,
        backends=(SQL,),
        initial={SQL: database.initial},
        tools=(),
        turns=(Turn(user=user, closing=first, answer=tuple(others)),),
        split=Split.HELDOUT,
        leak_group=f"defog:{suite}:{question.line}",
        source=f"{suite}:{question.line}",
    )
