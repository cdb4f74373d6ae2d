"""Copies of the whole database, taken while it is written to, and put back."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import URL, inspect
from sqlalchemy.exc import DatabaseError

from loop.errors import CannotCreate, CheckNegative, NotFound
from loop.redaction import redacted
from loop.store.db import engine, locate

SQLITE: Final = "loopd.db"
POSTGRESQL: Final = "loopd.dump"
"""Names of a copy, by which database it is of."""
PLACES: Final = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
"""Where the server's programs look for what a URL says; nothing of it is on a command line."""
SECONDS: Final = 3600.0


def save(url: str, folder: Path) -> Path:
    """Copy a database as it is at one moment; whoever writes to it goes on.

    Raises:
        CannotCreate: the copy cannot be written, or `pg_dump` does not work.
        NotFound: there is no `pg_dump`.
    """
    where = locate(url)
    if where.get_backend_name() != "sqlite":
        target = folder / POSTGRESQL
        _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"], where)
        return target
    target = folder / SQLITE
    try:
        with closing(sqlite3.connect(f"{_uri(where)}?mode=ro", uri=True)) as source, _connected(target) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise CannotCreate(f"{target} cannot be written: {error}") from error
    return target


def there(url: str) -> bool:
    """Whether a store lies where a URL says."""
    where = locate(url)
    if where.get_backend_name() == "sqlite":
        return Path(str(where.database)).exists()
    made = engine(url, write=False)
    try:
        return inspect(made).has_table("alembic_version")
    except DatabaseError as error:
        raise CannotCreate(f"database {where.render_as_string()}: {error.orig}") from error
    finally:
        made.dispose()


def load(copy: Path, url: str) -> None:
    """Put a copy in the place of a database. What SQLite's file held before lies beside it as `.before-restore.bak`.

    Raises:
        CannotCreate: it cannot be written, or `pg_restore` does not work.
        CheckNegative: the copy is of another kind of database.
        NotFound: there is no `pg_restore`.
    """
    where = locate(url)
    kind = SQLITE if where.get_backend_name() == "sqlite" else POSTGRESQL
    if copy.name != kind:
        raise CheckNegative(f"The backup holds {copy.name}, and the database of this configuration wants {kind}.")
    if kind == POSTGRESQL:
        options = ["--clean", "--if-exists", "--single-transaction", "--no-owner", "--no-privileges"]
        _run("pg_restore", [*options, f"--dbname={where.database}", str(copy)], where)
    else:
        _replace(copy, Path(str(where.database)))


def _replace(copy: Path, target: Path) -> None:
    """Rename the copy over the file, once nothing is left in a log beside it that would be read into the copy."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if target.exists():
            with _connected(target) as old, _connected(Path(f"{target}.before-restore.bak")) as kept:
                old.backup(kept)
                old.execute("pragma wal_checkpoint(truncate)")
        for suffix in ("-wal", "-shm"):
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        copy.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise CannotCreate(f"{target} cannot be written: {error}") from error


def _connected(file: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(file))


def _uri(where: URL) -> str:
    return Path(str(where.database)).absolute().as_uri()


def _run(program: str, options: list[str], where: URL) -> None:
    path = shutil.which(program)
    if path is None:
        raise NotFound(f"There is no {program}. Install PostgreSQL's programs, of the server's version or a newer one.")
    done = subprocess.run(
        [path, "--no-password", *options],
        env={**os.environ, **_environment(where)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise CannotCreate(f"{program}: {redacted(' '.join(done.stderr.split()))[-400:] or 'it failed'}")


def _environment(where: URL) -> Mapping[str, str]:
    login = {
        "host": where.host,
        "port": where.port,
        "user": where.username,
        "password": where.password,
        "dbname": where.database,
        **where.query,
    }
    return {variable: str(login[name]) for name, variable in PLACES.items() if login.get(name)}
