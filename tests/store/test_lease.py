"""One daemon for one database: who writes, who is refused, and who takes over."""

import time
from pathlib import Path

import pytest

from loop import lease
from loop.errors import AlreadyRunning
from loop.store import Store
from loop.types import RoundState

HERE, ELSEWHERE = Path("/one/data"), Path("/another/data")


def test_another_data_directory_is_refused_while_one_writes(store, url):
    with lease.hold(store, HERE):
        with Store.open(url) as other, pytest.raises(AlreadyRunning, match=str(HERE)), lease.hold(other, ELSEWHERE):
            pass
        store.event("still here")
    with Store.open(url) as other, lease.hold(other, ELSEWHERE):
        other.event("now here")


def test_after_a_kill_the_same_data_directory_need_not_wait(store, url):
    held = lease.hold(store, HERE)
    held.__enter__()  # and no exit: the process is gone
    with Store.open(url) as again, lease.hold(again, HERE):
        again.event("again")
        with pytest.raises(AlreadyRunning):
            store.event("from the grave")


def test_a_lease_is_kept_for_as_long_as_it_is_held(url, monkeypatch):
    monkeypatch.setattr(lease, "SECONDS", 0.6)
    with Store.open(url) as store, lease.hold(store, HERE):
        rnd = store.open_round("config", 0)
        time.sleep(1.5)
        with Store.open(url) as other, pytest.raises(AlreadyRunning), lease.hold(other, ELSEWHERE):
            pass
        store.advance(rnd, RoundState.COLLECT)
