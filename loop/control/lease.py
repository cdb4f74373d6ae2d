"""One daemon for one database, whatever data directory it has: a lease in the store, kept for as long as it is held.

`loop.runtime.lock` guards a data directory on one machine; a PostgreSQL database may be named from several.
"""

import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from loop.errors import AlreadyRunning, CannotCreate
from loop.store import Store

NAME: Final = "daemon"
IDENTITY: Final = "loopd.id"
LONGEST: Final = 64
"""Bytes that are read of it: more than it has."""
SECONDS: Final = 60.0
"""How long nobody else may write after the holder's last sign of life."""
log = structlog.get_logger()


@contextmanager
def hold(store: Store, data: Path) -> Iterator[None]:
    """Be the only writer of a store for as long as the block lasts. Every write is refused once another one took over.

    The owner is the data directory, whatever it and its machine are called: after a kill the next daemon there need
    not wait.

    Args:
        store: whose writes are fenced.
        data: the data directory, which only one process holds.

    Raises:
        AlreadyRunning: a daemon with another data directory holds it.
        CannotCreate: the data directory cannot be written.
    """
    store.leases.take(NAME, f"{identity(data)} {socket.gethostname()}:{data}", SECONDS)
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(store, done), name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        with suppress(Exception):  # a lease that cannot be given back runs out by itself
            store.leases.release()


def identity(data: Path) -> str:
    """Name a data directory for good. A copy of it, there or on another machine, is another one and has another name.

    Raises:
        CannotCreate: the file with the name cannot be read or written.
    """
    path = data / IDENTITY
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            return f"{_named(descriptor)}-{os.fstat(descriptor).st_ino}"
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}. Set LOOPD_HOME to a directory that can be written.") from error


def _named(descriptor: int) -> str:
    """Read the name in a file; where there is none, or half of one, give it one."""
    name = os.pread(descriptor, LONGEST, 0)
    if not re.fullmatch(b"[0-9a-f]{32}", name):
        name = secrets.token_hex(16).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, name, 0)
        os.fsync(descriptor)
    return name.decode()


def _renew(store: Store, done: threading.Event) -> None:
    while not done.wait(SECONDS / 3):
        try:
            store.leases.renew(SECONDS)
        except AlreadyRunning:
            return  # the daemon's next write says so
        except Exception as error:  # noqa: BLE001 - whatever it is, the daemon's next write meets it
            log.warning("lease_not_renewed", message=str(error))
