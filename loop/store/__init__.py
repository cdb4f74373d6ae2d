"""The trajectory store: the only part that reads and writes the database. It takes and returns records.

One writer, on SQLite or PostgreSQL. Every unit of work has a natural key, so that doing it twice is doing it once;
every method that writes is one transaction, so that a kill leaves all of it or nothing (rule 6).
"""

import time
from collections.abc import Callable

from loop.store import db
from loop.store.arms import Arms
from loop.store.datasets import Datasets
from loop.store.events import Events
from loop.store.leases import Leases
from loop.store.openings import Openings
from loop.store.spend import Spend
from loop.store.suites import Suites
from loop.store.traces import Traces
from loop.store.training import Training
from loop.store.verdicts import Verdicts

__all__ = ["Store"]


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Store(Traces, Datasets, Verdicts, Suites, Openings, Arms, Spend, Training, Leases, Events):
    """Everything that loopd knows, in SQL. One file a noun; this class is their sum."""

    @classmethod
    def open(cls, url: str, *, max_attempts: int = 5, clock: Callable[[], int] = now) -> "Store":
        """Open a store, and bring its schema up to date.

        Args:
            url: `sqlite:///path` or `postgresql://user@host/name`.
            max_attempts: how often a provider may fail a play before the play is given up.
            clock: microseconds since the epoch.

        Raises:
            ConfigError: the URL cannot be used, or the database is newer than this loopd.
            CannotCreate: the file cannot be written, or the server cannot be reached.
        """
        db.upgrade(url)
        return cls(db.engine(url), db.engine(url, write=False), clock, max_attempts)
