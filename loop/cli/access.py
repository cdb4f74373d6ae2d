"""How a verb asks the store beside a running daemon, and prints what it was told."""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Annotated, Any

import typer

from loop import config
from loop.cli import tables, terminal
from loop.cli.terminal import Terminal
from loop.errors import NotFound
from loop.redaction import shown
from loop.runtime import database_url, paths, query

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]
Reason = Annotated[str, typer.Option(help="Reason, stored with the event.")]


def settings() -> config.Config:
    """Read the configuration as the daemon would."""
    return config.load(paths.find(), None, {}, config.environment())


def url() -> str:
    """Tell where the store is.

    Raises:
        NotFound: there is none yet.
    """
    home = paths.find()
    address = settings().database or home.database
    file = database_url.file_of(address)
    if file and not file.exists():
        raise NotFound(f"There is no store at {file}. Make one: loopd start")
    return address


@contextmanager
def reading() -> Iterator[query.Query]:
    """Ask in SQL, read only."""
    with query.read_only(url()) as ask:
        yield ask


def show(rows: Sequence[dict[str, Any]], *, as_json: bool, as_csv: bool = False) -> None:
    """Print rows as a table that fits the terminal, as JSON under a version, or as comma-separated values."""
    if as_json:
        show_json({"rows": list(rows)})
    elif as_csv:
        _show_csv(rows)
    elif not rows:
        terminal.say("none")
    else:
        _show_table([{name: _word(value) for name, value in row.items()} for row in rows])


def _show_table(words: Sequence[dict[str, str]]) -> None:
    console = Terminal()
    narrow = console.is_terminal or "COLUMNS" in os.environ
    fitted = tables.fit(words, console.width if narrow else None)
    console.print(fitted.table, soft_wrap=not narrow)
    if fitted.left_out:
        terminal.say(f"No room for: {', '.join(fitted.left_out)}. All of it: --json or --csv", err=True)


def _show_csv(rows: Sequence[dict[str, Any]]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    terminal.say(out.getvalue().rstrip("\n"))


def show_json(document: dict[str, Any]) -> None:
    """Print one thing as JSON under a version."""
    terminal.say(json.dumps({"schema": "loopd/v1", **document}, indent=1, default=str))


def _plain(value: object) -> object:
    """JSON has no word for what is no number."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _word(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else shown(str(value))


def show_query(statement: str, *, as_json: bool, as_csv: bool = False) -> None:
    """Print what a query answers."""
    with reading() as ask:
        answer = ask(statement)
    if answer.more:
        terminal.say("Not all rows are shown; add a limit or a condition.", err=True)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    show(rows, as_json=as_json, as_csv=as_csv)
