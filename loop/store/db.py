"""Where the store lies: engines, the schema's version, and read-only access.

SQLite is the default: write-ahead log, one writer, every commit on the disk before it is acknowledged. PostgreSQL is a
URL away (psycopg 3). Both run the same schema, migrated by Alembic from code; nobody has to type `alembic`.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from loop.errors import CannotCreate, ConfigError
from loop.redaction import redacted
from loop.runtime import database_url
from loop.runtime.database_url import WRITE, without_login
from loop.runtime.durable import draft_in, sync
from loop.runtime.query import PG_OPTIONS

DURABLE: Final = (
    "auto_vacuum=INCREMENTAL",  # before the first page is written; a file that was made without stays without
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    "fullfsync=ON",
    "checkpoint_fullfsync=ON",
    "trusted_schema=OFF",
)
"""Pragmas of every SQLite connection. FULL and fullfsync (macOS): a power cut loses nothing that was acknowledged."""
UPGRADED: Final = 3
"""How often a SQLite file may lie on the disk while it is upgraded, beside itself: its copy, what the migrations write
to the log, and what moves from there into the file."""
SLACK: Final = 64 * 2**20
"""Bytes that have to stay free beside that."""


# --- engines ---------------------------------------------------------------------------------------------------------


def engine(url: str, *, write: bool = True, foreign_keys: bool = True) -> Engine:
    """Connect to a database.

    Args:
        url: `sqlite:///path` or `postgresql://user@host/name`.
        write: false for connections that only look: on SQLite they take no write lock.
        foreign_keys: false only while a migration rebuilds tables.

    Raises:
        ConfigError: the URL names neither, or SQLite in memory, which two connections cannot share.
    """
    where = locate(url)
    if where.get_backend_name() == "postgresql":
        return create_engine(where, pool_pre_ping=True, connect_args={"connect_timeout": 5, "options": PG_OPTIONS})
    made = create_engine(where, **_one_writer() if write else {})
    extra = () if foreign_keys else ("foreign_keys=OFF",)
    reading = () if write else ("query_only=ON", "wal_autocheckpoint=0")
    event.listen(made, "connect", _prepare((*DURABLE, *extra, *reading)))
    event.listen(made, "begin", _begin("BEGIN IMMEDIATE" if write else "BEGIN"))
    return made


def locate(url: str) -> URL:
    """Read a database URL.

    Raises:
        ConfigError: it names no database that loopd can use.
    """
    backend, _ = database_url.read(url)
    try:
        where = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"database: '{without_login(url)}' is not a URL. {WRITE}") from error
    return where.set(drivername="postgresql+psycopg") if backend == "postgresql" else where


def _one_writer() -> dict[str, Any]:
    """Give every thread the same connection in turn: it also owns every checkpoint of the write-ahead log."""
    return {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60}


def _prepare(pragmas: tuple[str, ...]) -> Any:  # noqa: ANN401 - an event listener of SQLAlchemy
    def listener(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver never begins a transaction by itself
        connection.text_factory = _text
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    return listener


class Spoiled(str):
    """Text that was no UTF-8: a disk spoiled it, or somebody wrote it by hand. `loop.store.damage` refuses it."""

    __slots__ = ()


def _text(stored: bytes) -> str:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return Spoiled(stored.decode(errors="replace"))


def _begin(statement: str) -> Any:  # noqa: ANN401 - an event listener of SQLAlchemy
    def listener(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return listener


# --- the schema's version --------------------------------------------------------------------------------------------


def migrations_dir() -> Path:
    """Find the migrations: in the wheel as `loop/_migrations`, in a checkout beside `loop`."""
    package = Path(str(files("loop")))
    shipped = package / "_migrations"
    return shipped if shipped.is_dir() else package.parent / "migrations"


def upgrade(url: str, to: str = "head") -> None:
    """Bring the schema up to date; a SQLite file with data is copied beside itself first.

    One transaction: killed anywhere, the schema is the old one or the new one.

    Raises:
        ConfigError: the database is newer than this loopd.
        CannotCreate: the file cannot be written, or the disk has no room for the copy and the new schema.
    """
    scripts = ScriptDirectory.from_config(_config())
    migrator = engine(url, foreign_keys=False)
    try:
        with _connected(migrator, url) as connection:
            before = MigrationContext.configure(connection).get_current_revision()
            _handshake(before, scripts, url)
            if before != (scripts.get_current_head() if to == "head" else to):
                _copy(url, before)
                command.upgrade(_config(connection), to)
    finally:
        migrator.dispose()


@contextmanager
def _connected(migrator: Engine, url: str) -> Iterator[Connection]:
    where = locate(url)
    try:
        if where.get_backend_name() == "sqlite":
            Path(str(where.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with migrator.begin() as connection:
            yield connection
    except (DatabaseError, OSError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DatabaseError) else error
        raise CannotCreate(redacted(f"database {where.render_as_string()}: {cause}")) from error


def _handshake(revision: str | None, scripts: ScriptDirectory, url: str) -> None:
    if revision is not None and revision not in {script.revision for script in scripts.walk_revisions()}:
        raise ConfigError(
            f"database {redacted(locate(url).render_as_string())}: its schema is {revision}, "
            "newer than this loopd knows. Install the newer loopd, or restore the copy that lies beside the database"
        )


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _copy(url: str, revision: str | None) -> None:
    """Copy a SQLite file by its own backup, which is whole even with a write-ahead log beside it."""
    where = locate(url)
    if revision is None or where.get_backend_name() != "sqlite":
        return
    file = Path(str(where.database)).absolute()
    _check_room(file)
    with draft_in(file.parent, f".{file.name}-") as folder:
        copy = folder / "copy"
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        sync(copy)
        copy.rename(f"{file}.{revision}.bak")
        sync(file.parent)


def _check_room(file: Path) -> None:
    taken = sum(path.stat().st_size for path in (file, Path(f"{file}-wal")) if path.exists())
    free, needed = shutil.disk_usage(file.parent).free, UPGRADED * taken + SLACK
    if free < needed:
        raise CannotCreate(
            f"{file} takes {_gib(taken)} GiB. This loopd upgrades it, and keeps a copy of it as it was: that may take "
            f"{_gib(needed)} GiB, and {_gib(free)} are free. Nothing was changed. Free some space, or go on with the "
            "loopd that you had, and type: loopd gc --yes"
        )


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"
