"""Questions without end beside the writer: nobody is told that the database is locked, and the log stays bounded."""

import multiprocessing
import statistics
import time

import pytest

from loop.runtime import query
from loop.store import Store

pytestmark = [pytest.mark.fault, pytest.mark.reliability(id="F7")]
QUESTION = "select count(*), max(length(fields)) from event a"
PATIENCE = 2.0
"""Seconds in which a write ends on a busy machine. The median is what says something."""


def read_on(url, ended, told):
    """Ask until it is over; one look lasts longer than many writes."""
    asked = 0
    try:
        while not ended.is_set():
            with query.read_only(url) as ask:
                ask(QUESTION)
            asked += 1
            if asked == 1:
                told.put("reads")
    except Exception as error:  # noqa: BLE001 - whatever it is, the test names it
        told.put(f"{type(error).__name__}: {error}")
    told.put(asked)


@pytest.mark.parametrize("writes", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_readers_and_the_writer_do_not_meet(url, tmp_path, writes):
    processes = multiprocessing.get_context("spawn")
    ended, told = processes.Event(), processes.Queue()
    readers = [processes.Process(target=read_on, args=(url, ended, told)) for _ in range(3)]
    for reader in readers:
        reader.start()
    assert [told.get(timeout=60) for _ in readers] == ["reads"] * len(readers)
    took, log, widest = [], tmp_path / "loopd.db-wal", 0
    with Store.open(url) as store:
        for n in range(writes):
            begun = time.monotonic()
            store.events.record("kept", number=n, text="x" * 2000)
            took.append(time.monotonic() - begun)
            widest = max(widest, log.stat().st_size if log.exists() else 0)
        ended.set()
        found = [told.get(timeout=60) for _ in readers]
        for reader in readers:
            reader.join(60)
        assert len(list(store.events.read(kind="kept"))) == writes
    assert all(isinstance(each, int) and each > 1 for each in found), found
    assert max(took) < PATIENCE, (statistics.median(took), sorted(took)[-len(took) // 100])
    assert widest < 64 * 2**20
