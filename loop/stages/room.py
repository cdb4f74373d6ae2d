"""Room on the disk: without it nothing new is begun, garbage goes first, and work goes on by itself."""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import structlog

from loop.config import Storage
from loop.errors import CannotCreate
from loop.parts import Loop
from loop.runtime.paths import Paths
from loop.storage import garbage
from loop.store import Store
from loop.types import Play

log = structlog.get_logger()
EVERY: Final = 5.0
"""Seconds between two looks at the disk."""
GIB: Final = 2**30


def shortage(paths: Paths, store: Store, limits: Storage, needed: int = 0) -> str:
    """Say why there is no room; empty where there is.

    Args:
        paths: where everything lies.
        store: whose file may hold room within.
        limits: what has to stay free, and what may be taken.
        needed: bytes that are about to be written.
    """
    free, least = shutil.disk_usage(paths.data).free, limits.min_free_gib * GIB + needed
    if free < least:
        return f"{free / GIB:.1f} GiB are free on the disk of {paths.data}, {least / GIB:.1f} must be"
    taken = garbage.size(paths.data) - store.space.unused() if limits.max_gib is not None else 0
    if limits.max_gib is not None and taken + needed > limits.max_gib * GIB:
        return f"{paths.data} takes {(taken + needed) / GIB:.1f} GiB, storage.max_gib allows {limits.max_gib:g}"
    return ""


def tidy(loop: Loop, needed: int = 0) -> str:
    """Delete waste, and without room all garbage. Returns why there still is no room; empty where there is."""
    why = shortage(loop.paths, loop.store, loop.config.storage, needed)
    waste = garbage.find(
        loop.paths, loop.store, loop.config.storage, tuple(garbage.GarbageKind) if why else garbage.WASTE
    )
    freed, whole = garbage.remove(waste, loop.store)
    if waste:
        kinds = sorted({str(item.kind) for item in waste})
        log.info("garbage_deleted", kinds=kinds, mib=freed // 2**20)
        loop.store.events.record("garbage.deleted", kinds=[*kinds], bytes=freed)
    if why and not whole:
        return tidy(loop, needed)
    return shortage(loop.paths, loop.store, loop.config.storage, needed) if why else ""


def wait(loop: Loop, needed: int = 0) -> None:
    """Wait until there is room, and say so meanwhile; the end of the wait may be a request to stop."""
    if not shortage(loop.paths, loop.store, loop.config.storage, needed) or not (why := tidy(loop, needed)):
        return
    doing = loop.board.now.doing
    _tell(loop, "disk.low", f"{why}. Free some space; work goes on by itself")
    with loop.pause():
        while why:
            loop.board.update(doing=f"waits for room on the disk: {why}", total=0)
            with loop.stop.waiting():
                time.sleep(EVERY)
            why = shortage(loop.paths, loop.store, loop.config.storage, needed)
    _tell(loop, "disk.enough", "There is room on the disk again")
    loop.board.update(doing=doing)


def while_there_is(loop: Loop, plays: Iterable[Play]) -> Iterator[Play]:
    """Hand plays on for as long as there is room; what is left stays owed."""
    looked = 0.0
    for play in plays:
        if time.monotonic() - looked > EVERY:
            if shortage(loop.paths, loop.store, loop.config.storage):
                return
            looked = time.monotonic()
        yield play


def _tell(loop: Loop, kind: str, why: str) -> None:
    log.warning(kind.replace(".", "_"), why=why)
    with suppress(CannotCreate):  # the disk may be that full
        loop.store.events.record(kind, why=why)
