"""What may be deleted, and why: nothing that a dataset, a gate still to come, a card or a release refers to.

Waste is of no use to anybody and goes before every round. The rest is of little use: it goes where somebody types
`loopd gc --yes`, and by itself where the disk or `storage.max_gib` leaves no room.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from loop.config import Storage
from loop.rollout import ray_home
from loop.runtime.durable import DRAFT
from loop.runtime.paths import Paths
from loop.store import Store
from loop.types import Record, RoundState, Standing
from loop.weights import adapters

HOUR: Final = 3600.0
"""Seconds after which nobody is writing what looks half done."""
ENDED: Final = (RoundState.DONE, RoundState.FAILED)
WEEK: Final = 7 * 24 * HOUR
"""Seconds after which nobody will ask for what a kill left half published."""
AT_ONCE: Final = 20_000
"""Plays whose messages one call deletes at most, so that others can write in between."""


class GarbageKind(StrEnum):
    """What is garbage, the least useful first."""

    LEFTOVER = "leftover"
    """What a kill left half published, and model directories that no policy names."""
    CHECKPOINT = "checkpoint"
    """What the trainer wrote in rounds that have ended."""
    RAY = "ray"
    """Sockets and logs of Ray where nothing runs any more."""
    COPY = "copy"
    """Copies of the database before older upgrades; the newest stays."""
    PREFIX = "prefix"
    """Keys and values that the student's server would compute again."""
    ADAPTER = "adapter"
    """Weights of rejected candidates; their scores and cards stay."""
    MESSAGES = "messages"
    """Messages and calls of rejected training plays; their verdicts stay."""


WASTE: Final = frozenset({GarbageKind.LEFTOVER, GarbageKind.CHECKPOINT, GarbageKind.RAY, GarbageKind.COPY})
"""What is of no use to anybody."""


class Garbage(Record):
    """One thing that may be deleted."""

    kind: GarbageKind
    what: str
    bytes: int
    why: str
    path: Path | None = None
    """None for what lies in the database."""
    upto: int = 0
    """Of messages: the last round whose plays are meant."""


def find(
    paths: Paths, store: Store, kept: Storage, kinds: Collection[GarbageKind] = tuple(GarbageKind)
) -> list[Garbage]:
    """List what may be deleted, and delete nothing.

    Args:
        paths: where everything lies.
        store: who knows what is referred to.
        kept: for how many rounds things are kept.
        kinds: look for these only.

    Raises:
        Damaged: a row that would say what is referred to cannot be read.
    """
    ended = [rnd.id for rnd in store.rounds.all() if rnd.state in ENDED]
    upto = max(ended, default=0) - kept.keep_rounds
    finders: Mapping[GarbageKind, Callable[[], Iterable[Garbage]]] = {
        GarbageKind.LEFTOVER: lambda: _leftovers(paths, store),
        GarbageKind.CHECKPOINT: lambda: _checkpoints(paths, ended),
        GarbageKind.RAY: _ray,
        GarbageKind.COPY: lambda: _copies(paths),
        GarbageKind.PREFIX: lambda: _prefixes(paths),
        GarbageKind.ADAPTER: lambda: _adapters(paths, store, upto),
        GarbageKind.MESSAGES: lambda: _messages(store, upto),
    }
    return [garbage for kind in GarbageKind if kind in kinds for garbage in finders[kind]()]


def remove(garbage: Collection[Garbage], store: Store) -> tuple[int, bool]:
    """Delete what was found. Returns the bytes, and whether everything is gone: messages go some thousand plays a call.

    Killed anywhere, what is left is found again.
    """
    freed, whole = 0, True
    for item in garbage:
        if item.path is not None:
            _delete(item.path)
        else:
            whole = store.space.forget(item.upto, AT_ONCE) < AT_ONCE
        freed += item.bytes
    if any(item.path is None for item in garbage):
        store.space.release()
    return freed, whole


def size(path: Path) -> int:
    """Add up the bytes of a file, or of all files below a directory; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size if path.exists() or path.is_symlink() else 0
    total = 0
    for root, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 - a Path a file is ten times the work
            except OSError:  # gone meanwhile
                continue
    return total


def _garbage(kind: GarbageKind, path: Path, why: str) -> Garbage:
    return Garbage(kind=kind, what=str(path), bytes=size(path), why=why, path=path)


def _leftovers(paths: Paths, store: Store) -> Iterator[Garbage]:
    known = {policy.adapter for policy, _ in store.policies.all() if policy.adapter}
    for path in adapters.garbage(paths.models, known, older_than=WEEK):
        yield _garbage(GarbageKind.LEFTOVER, path, "no policy names it")
    for path in sorted(paths.data.iterdir()):
        if DRAFT.fullmatch(path.name) and _ours(path) and _old(path):
            yield _garbage(GarbageKind.LEFTOVER, path, "a kill left it half built")


def _checkpoints(paths: Paths, ended: Collection[int]) -> Iterator[Garbage]:
    for number in ended:
        for path in sorted(paths.scratch.glob(f"round-{number}-*")):
            yield _garbage(GarbageKind.CHECKPOINT, path, f"round {number} has ended")


def _ray() -> Iterator[Garbage]:
    for path in sorted(ray_home.PARENT.glob(f"{ray_home.PREFIX}*")):
        if _ours(path) and _old(path) and not _occupied(path):
            yield _garbage(GarbageKind.RAY, path, "nothing runs in it")


def _copies(paths: Paths) -> Iterator[Garbage]:
    copies = sorted(paths.data.glob("*.bak"), key=lambda path: path.stat().st_mtime)
    for path in copies[:-1]:
        yield _garbage(GarbageKind.COPY, path, f"{copies[-1].name} is newer")


def _prefixes(paths: Paths) -> Iterator[Garbage]:
    if paths.prefixes.is_dir() and any(paths.prefixes.iterdir()):
        yield _garbage(GarbageKind.PREFIX, paths.prefixes, "can be computed again")


def _adapters(paths: Paths, store: Store, upto: int) -> Iterator[Garbage]:
    policies = store.policies.all()
    needed = {policy.adapter for policy, standing in policies if standing is not Standing.REJECTED}
    members = {
        member for policy, standing in policies if standing is not Standing.REJECTED for member in policy.members
    }
    needed |= {policy.adapter for policy, _ in policies if policy.id in members}
    parents = {policy.parent for policy, standing in policies if standing is not Standing.REJECTED}
    old = store.space.rejected(upto)
    for policy, _ in policies:
        path = paths.adapter(policy)
        if policy.id in old and policy.adapter not in needed and policy.id not in parents and path and path.is_dir():
            yield _garbage(GarbageKind.ADAPTER, path, f"policy {policy.id[:12]} was rejected and never promoted")


def _messages(store: Store, upto: int) -> Iterator[Garbage]:
    plays, many = store.space.forgettable(upto)
    if plays:
        why = "rejected, and in no dataset, audit or correction"
        yield Garbage(
            kind=GarbageKind.MESSAGES, what=f"{plays} plays up to round {upto}", bytes=many, why=why, upto=upto
        )


def _ours(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.lstat().st_uid == os.getuid()


def _old(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime >= HOUR


def _occupied(path: Path) -> bool:
    """Whether a Ray that runs holds its lock on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
