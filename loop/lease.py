"""One daemon for one database, whatever data directory it has: a lease in the store, kept for as long as it is held.

`loop.lock` guards a data directory on one machine; a PostgreSQL database may be named from several.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from loop.errors import AlreadyRunning
from loop.store import Store

NAME: Final = "daemon"
SECONDS: Final = 60.0
"""How long nobody else may write after the holder's last sign of life."""
log = structlog.get_logger()


@contextmanager
def hold(store: Store, data: Path) -> Iterator[None]:
    """Be the only writer of a store for as long as the block lasts. Every write is refused once another one took over.

    The owner is the data directory on this machine: after a kill the next daemon there need not wait.

    Args:
        store: whose writes are fenced.
        data: the data directory, which only one process holds.

    Raises:
        AlreadyRunning: a daemon with another data directory holds it.
    """
    store.take_lease(NAME, f"{socket.gethostname()}:{data}", SECONDS)
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(store, done), name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        with suppress(Exception):  # a lease that cannot be given back runs out by itself
            store.release_lease()


def _renew(store: Store, done: threading.Event) -> None:
    while not done.wait(SECONDS / 3):
        try:
            store.renew_lease(SECONDS)
        except AlreadyRunning:
            return  # the daemon's next write says so
        except Exception as error:  # noqa: BLE001 - whatever it is, the daemon's next write meets it
            log.warning("lease_not_renewed", message=str(error))
