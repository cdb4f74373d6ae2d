"""Checks of where loopd keeps its files: the directories, the store, and what earlier daemons left."""

import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psutil

from loop.cli import access
from loop.cli.checks.found import Check, CheckResult, judged
from loop.control import progress
from loop.errors import LoopdError
from loop.runtime import database_url, lock, paths, query

ROOM: Final = 5 * 2**30
FIXED_SQLITE: Final = (3, 51, 3)
"""Before it, two writers and a checkpoint could corrupt a WAL file; loopd has one writer, which avoids it."""
CLOUDS: Final = ("Mobile Documents", "CloudStorage", "com~apple~CloudDocs", "Dropbox", "OneDrive", "Google Drive")
REMOTE: Final = frozenset({"nfs", "nfs4", "smbfs", "smb3", "cifs", "afpfs", "webdav", "fuse.sshfs", "9p", "vboxsf"})
"""File systems on which SQLite's write-ahead log is not safe."""
LOOK: Final = 5.0
"""Seconds that a look through the database may take."""
STALE: Final = 900.0
"""Seconds without a word after which a daemon has probably stopped working."""


def directory() -> Iterator[CheckResult]:
    """A home that can be written, and that nobody else reads."""
    home = paths.find()
    standing = next(parent for parent in (home.data, *home.data.parents) if parent.exists())
    fix = f"Make it yours: chown -R $USER {standing}; or set LOOPD_HOME to a directory that you may write."
    yield judged("home", _writable(standing), str(home.data), fix, otherwise="fail")
    mode = stat.S_IMODE(home.data.stat().st_mode) if home.data.is_dir() else 0o700
    fix = f"Type: chmod 700 '{home.data}'"
    yield judged("privacy", not mode & 0o077, f"mode {mode:04o}", fix)


def disk() -> Iterator[CheckResult]:
    """Room for models, checkpoints and plays, on a disk of this machine."""
    home = paths.find()
    standing = next(parent for parent in (home.data, *home.data.parents) if parent.exists())
    free = shutil.disk_usage(standing).free
    fix = "Free some space, or set LOOPD_HOME to a larger disk."
    yield judged("disk", free > ROOM, f"{free / 2**30:.0f} GiB free", fix)
    kind = _file_system(standing)
    fix = "Set LOOPD_HOME to a local disk: a database on a network drive gets corrupted."
    yield judged("file system", kind not in REMOTE, kind or "not known", fix, otherwise="fail")
    cloud = next((name for name in CLOUDS if name in str(home.data)), "")
    fix = "Set LOOPD_HOME to a directory that nothing synchronises: a database there gets corrupted."
    yield judged("cloud", not cloud, cloud or "nothing synchronises it", fix, otherwise="fail")


def sqlite() -> Iterator[CheckResult]:
    """A SQLite without known faults."""
    fix = "Keep it to one loopd and readers: no other program may write to the file. Or update Python."
    yield judged("sqlite", sqlite3.sqlite_version_info >= FIXED_SQLITE, sqlite3.sqlite_version, fix)


def store() -> Iterator[CheckResult]:
    """The store can be read."""
    try:
        url = access.url()
    except LoopdError:
        yield CheckResult(check="store", state="ok", detail="none yet; loopd start makes one")
        return
    with query.read_only(url) as ask:
        rounds = ask("select count(*) from v_rounds").rows[0][0]
    yield CheckResult(check="store", state="ok", detail=f"{rounds} rounds")
    file = database_url.file_of(url)
    if file:
        yield _sound(file)


def daemon() -> Iterator[CheckResult]:
    """A daemon that runs says what it does; one that does not has left nothing."""
    home = paths.find()
    pid, now = lock.holder(home.data), progress.find(home.run)
    silent = time.time() - now.updated if now else 0.0
    detail = f"runs (pid {pid}), last heard of {silent:.0f} s ago" if pid else "does not run"
    yield judged("daemon", silent < STALE, detail, "It may be stuck: loopd stop, then loopd start")
    left = [] if pid or not home.run.is_dir() else sorted(home.run.glob("*.child.json"))
    yield judged("children", not left, f"{len(left)} left by a killed daemon", "Type loopd start: it ends them.")


def logs() -> Iterator[CheckResult]:
    """The logs can be written."""
    where = paths.find().logs
    standing = next(parent for parent in (where, *where.parents) if parent.exists())
    yield judged(
        "logs", _writable(standing), str(where), f"Make it yours: chown -R $USER '{standing}'", otherwise="fail"
    )


def _writable(directory: Path) -> bool:
    """Write a file: permissions alone do not tell of a read-only disk."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".loopd-"):
            return True
    except OSError:
        return False


def _file_system(path: Path) -> str:
    """Name the kind of file system that a directory lies on."""
    mounts = {Path(partition.mountpoint): partition.fstype for partition in psutil.disk_partitions(all=True)}
    real = Path(os.path.realpath(path))
    return next((mounts[parent] for parent in (real, *real.parents) if parent in mounts), "")


def _sound(file: Path) -> CheckResult:
    """Look through the database for damage, as far as a few seconds go."""
    size = f"{file.stat().st_size / 2**20:.0f} MiB"
    fix = f"Keep the file, and restore a copy: {file}.*.bak; then type: loopd start"
    deadline = time.monotonic() + LOOK
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), query.STEPS)
        try:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return CheckResult(check="database", state="ok", detail=f"{size}, no damage within {LOOK:.0f} s")
            said = str(error)
        except sqlite3.DatabaseError as error:
            said = str(error)
    return judged("database", said == "ok", size if said == "ok" else said[:200], fix, otherwise="fail")


CHECKS: Final[tuple[Check, ...]] = (directory, disk, sqlite, store, daemon, logs)
