"""One daemon for one data directory: an advisory lock that the kernel drops when its holder dies, however it dies."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loop.errors import AlreadyRunning, CannotCreate

NAME: Final = "loopd.lock"
TRIES: Final = 3
PAUSE: Final = 0.05


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Hold the data directory for as long as the block lasts.

    The file stays behind on purpose: removing it would let two daemons lock two files of one name. Children do not
    inherit the lock, because Python opens every descriptor close-on-exec.

    Raises:
        AlreadyRunning: another process holds it; the message names its pid.
        CannotCreate: the lock file cannot be written.
    """
    descriptor = _open(data / NAME)
    try:
        _lock(descriptor, data)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def holder(data: Path) -> int | None:
    """Tell the pid of the process that holds the data directory; None where nobody does."""
    try:
        descriptor = os.open(data / NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)[0]
    else:
        return None
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}. Set LOOPD_HOME to a directory that can be written.") from error


def _lock(descriptor: int, data: Path) -> None:
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(PAUSE)  # `holder` may be looking
    pid, started = _read(descriptor)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))
    who = f"pid {pid}, since {since}" if pid else "it has just begun"
    raise AlreadyRunning(f"Another loopd ({who}) holds {data}. Type `loopd status` or `loopd stop`.")


def _sign(descriptor: int) -> None:
    text = json.dumps({"pid": os.getpid(), "started": time.time()}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _read(descriptor: int) -> tuple[int | None, float]:
    """Read pid and start time; a holder that has not signed yet has neither."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return int(holder["pid"]), float(holder["started"])
    except (ValueError, KeyError, TypeError):
        return None, 0.0
