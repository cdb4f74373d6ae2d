"""The trajectory store: the only part that reads and writes the database. It takes and returns records.

One writer, on SQLite or PostgreSQL. Every unit of work has a natural key, so that doing it twice is doing it once;
every method that writes is one transaction, so that a kill leaves all of it or nothing (rule 6).
"""

from collections.abc import Callable
from typing import Final, Self

from loop.store import db
from loop.store.arms import Arms
from loop.store.audits import Audits
from loop.store.corrections import Corrections
from loop.store.database import Database, now
from loop.store.datasets import Datasets
from loop.store.events import Events
from loop.store.evidence import Evidence
from loop.store.gates import Gates
from loop.store.inspection import StoreInspection
from loop.store.leases import Leases
from loop.store.openings import Openings
from loop.store.plays import PlayRecords
from loop.store.policies import Policies
from loop.store.promotions import Promotions
from loop.store.rounds import Rounds
from loop.store.soundness import Soundness
from loop.store.space import Space
from loop.store.spend import Spend
from loop.store.suites import Suites
from loop.store.tasks import Tasks
from loop.store.traces import Traces
from loop.store.training import TrainingRecords
from loop.store.trajectories import Trajectories
from loop.store.verdicts import Verdicts

__all__ = ["Database", "Store", "now"]

MAX_ATTEMPTS: Final = 5
"""How often a provider may fail a play before the play is given up."""


class Store:
    """Everything that loopd knows, in SQL: one attribute a noun, all over one database."""

    def __init__(self, database: Database, max_attempts: int = MAX_ATTEMPTS) -> None:
        self.database = database
        self.arms = Arms(database)
        self.corrections = Corrections(database)
        self.events = Events(database)
        self.evidence = Evidence(database)
        self.leases = Leases(database)
        self.openings = Openings(database)
        self.rounds = Rounds(database)
        self.gates = Gates(database, self.rounds)
        self.policies = Policies(database, self.rounds)
        self.promotions = Promotions(database, self.rounds)
        self.soundness = Soundness(database)
        self.space = Space(database)
        self.spend = Spend(database)
        self.tasks = Tasks(database)
        self.suites = Suites(database, self.tasks)
        self.training = TrainingRecords(database)
        self.trajectories = Trajectories(database, self.tasks)
        self.audits = Audits(database, self.trajectories)
        self.datasets = Datasets(database, self.trajectories)
        self.plays = PlayRecords(database, self.tasks, self.trajectories, max_attempts)
        self.traces = Traces(database, self.tasks, self.trajectories)
        self.verdicts = Verdicts(database)
        self.inspection = StoreInspection(database, self.trajectories)

    @classmethod
    def open(cls, url: str, *, max_attempts: int = MAX_ATTEMPTS, clock: Callable[[], int] = now) -> Self:
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
        return cls(Database(db.engine(url), db.engine(url, write=False), clock), max_attempts)

    def close(self) -> None:
        """Let go of every connection."""
        self.database.close()

    def __enter__(self) -> Self:
        """Use the store as a context manager."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close it."""
        self.close()
