"""What the pages and the API look at: one home, its store, and whoever carries commands out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from loop.control import progress
from loop.errors import NotFound
from loop.runtime import query
from loop.runtime.paths import Paths
from loop.store import Store
from loop.store.trajectories import Shown


class Change(Protocol):
    """Carry a command out, in the daemon or with its lock."""

    def __call__(self, verb: str, arguments: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Do it.

        Raises:
            LoopdError: it was refused.
        """
        ...


@dataclass(frozen=True)
class Site:
    """One home, seen from a browser or a program."""

    paths: Paths
    url: str
    """The store's."""
    change: Change
    store: Callable[[], Store]
    """Opens the store, or gives the one that is open."""

    @contextmanager
    def ask(self) -> Iterator[query.Query]:
        """Ask in SQL, read only.

        Raises:
            NotFound: nothing was ever stored.
        """
        with query.read_only(self.url) as ask:
            yield ask

    @property
    def progress(self) -> progress.Progress | None:
        """What the daemon does at this moment; None where none runs."""
        return progress.find(self.paths.run)

    @property
    def begun(self) -> bool:
        """Whether there is a store."""
        try:
            with self.ask() as ask:
                ask("select 1 as one")
        except NotFound:
            return False
        return True

    def play(self, trajectory: str) -> Shown:
        """Look a play up by its id, or the beginning of it.

        Raises:
            NotFound: no play, or more than one, begins like that.
        """
        if not self.begun:
            raise NotFound("There is no play yet. Type: loopd start")
        return self.store().trajectories.get(trajectory)
