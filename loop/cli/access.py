"""How a verb asks the store beside a running daemon, and prints what it was told."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from loop import config
from loop.cli import terminal
from loop.cli.terminal import Terminal
from loop.errors import NotFound
from loop.redaction import shown
from loop.runtime import database_url, paths, query

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the event.")]


FEW: Final = 4
"""Columns that a table may fold when they do not fit; more are shown as records."""


def settings() -> config.Config:
    """Read the configuration as the daemon would."""
    return config.load(paths.find(), None, {}, config.environment())


def url() -> str:
    """Tell where the store is.

    Raises:
        NotFound: there is none yet.
    """
    places = paths.find()
    found = settings().database or places.database
    file = database_url.file_of(found)
    if file and not file.exists():
        raise NotFound(f"There is no store at {file}. Make one: loopd start")
    return found


@contextmanager
def reading() -> Iterator[query.Ask]:
    """Ask in SQL, read only."""
    with query.read_only(url()) as ask:
        yield ask


def show(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table, or as JSON under a version."""
    if as_json:
        show_json({"rows": [{name: _plain(value) for name, value in row.items()} for row in rows]})
        return
    console, words = Terminal(), [{name: _word(value) for name, value in row.items()} for row in rows]
    wide = sum(max(len(row[name]) for row in [*words, {name: name}]) + 3 for name in (words[0] if words else ()))
    if wide > console.width and len(words[0]) > FEW:
        console.print(_records(words), soft_wrap=True)
    else:
        console.print(_table(words) if words else "none")


def show_json(told: dict[str, Any]) -> None:
    """Print one thing as JSON under a version."""
    terminal.say(json.dumps({"schema": "loopd/v1", **told}, indent=1, default=str))


def _plain(value: object) -> object:
    """JSON has no word for what is no number."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _word(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else shown(str(value))


def _table(rows: Sequence[dict[str, str]]) -> Table:
    table = Table()
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row.values()))
    return table


def _records(rows: Sequence[dict[str, str]]) -> Text:
    """Spell rows that are too wide for a table one column a line."""
    widest = max(map(len, rows[0]))
    blocks = ["\n".join(f"{name:>{widest}}  {value}" for name, value in row.items()) for row in rows]
    return Text("\n\n".join(blocks))


def show_query(statement: str, *, as_json: bool) -> None:
    """Print what a query answers."""
    with reading() as ask:
        answer = ask(statement)
    if answer.more:
        terminal.say("Not all rows are shown; add a limit or a condition.", err=True)
    show([dict(zip(answer.columns, row, strict=True)) for row in answer.rows], as_json=as_json)
