"""The database's URL, read before anything of a database is imported; what is none is told without its login."""

import importlib.util
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from loop.errors import ConfigError
from loop.redaction import GONE, learn, redacted

WRITE: Final = "Write sqlite:///PATH or postgresql://USER@HOST/NAME"


class DatabaseUrl(NamedTuple):
    """A URL in two parts."""

    backend: str
    """`sqlite` or `postgresql`."""
    rest: str
    """What follows `://`."""


def read(url: str) -> DatabaseUrl:
    """Read a URL; its password is kept out of the store and the log from then on.

    Raises:
        ConfigError: it names no database that loopd can use, or one whose driver is missing.
    """
    scheme, between, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    file = backend == "sqlite" and rest.startswith("/") and rest[1:] not in {"", ":memory:"}
    if not between or not (file or backend == "postgresql") or not _whole(url):
        raise ConfigError(f"database: cannot use '{without_login(url)}'. {WRITE}")
    if file and "?" in rest:
        raise ConfigError("database: SQLite takes no options. In a path write '?' as %3F.")
    if backend == "postgresql" and importlib.util.find_spec("psycopg") is None:
        raise ConfigError("database: PostgreSQL needs its driver. Type: pip install 'psycopg[binary]>=3.3'")
    return DatabaseUrl(backend, rest)


def of_file(file: Path) -> str:
    """Spell a file as a URL, whatever stands in its path: `%`, `?` and `#` mean something in a URL."""
    return f"sqlite:///{quote(str(file))}"


def file_of(url: str) -> Path | None:
    """Give the file that a URL names; None where it names a server."""
    scheme, _, rest = url.partition(":///")
    return Path(unquote(rest)) if scheme.startswith("sqlite") else None


def _whole(url: str) -> bool:
    try:
        parts = urlsplit(url)
        password, _ = parts.password, parts.port
    except ValueError:
        return False
    learn([unquote(password), password] if password else [])
    return True


def without_login(url: str) -> str:
    """Leave out whatever stands before the host in what was meant as a URL: it may hold a password."""
    _, login, host = url.rpartition("@")
    return redacted(f"{GONE}@{host}" if login else url)
