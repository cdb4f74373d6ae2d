"""One daemon for one database: who writes, who is refused, and who takes over."""

import shutil
import socket
import time

import pytest

from loop.control import lease
from loop.errors import AlreadyRunning, CannotCreate
from loop.store import Store
from loop.types import RoundState


@pytest.fixture
def here(tmp_path):
    (tmp_path / "one data").mkdir()
    return tmp_path / "one data"


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "another").mkdir()
    return tmp_path / "another"


def test_another_data_directory_is_refused_while_one_writes(store, url, here, elsewhere):
    with lease.hold(store, here):
        with Store.open(url) as other, pytest.raises(AlreadyRunning, match=str(here)), lease.hold(other, elsewhere):
            pass
        store.events.record("still here")
    with Store.open(url) as other, lease.hold(other, elsewhere):
        other.events.record("now here")


def test_after_a_kill_the_same_data_directory_need_not_wait(store, url, here, elsewhere):
    held = lease.hold(store, here)
    held.__enter__()  # and no exit: the process is gone
    with Store.open(url) as again, lease.hold(again, here):
        again.events.record("again")
        with pytest.raises(AlreadyRunning):
            store.events.record("from the grave")


def test_a_lease_is_kept_for_as_long_as_it_is_held(url, monkeypatch, here, elsewhere):
    monkeypatch.setattr(lease, "SECONDS", 0.6)
    with Store.open(url) as store, lease.hold(store, here):
        rnd = store.rounds.open("config", 0)
        time.sleep(1.5)
        with Store.open(url) as other, pytest.raises(AlreadyRunning), lease.hold(other, elsewhere):
            pass
        store.rounds.advance(rnd, RoundState.COLLECT)


def test_a_machine_that_has_renamed_itself_need_not_wait(store, url, here, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "mac.lan")
    lease.hold(store, here).__enter__()  # and no exit: the process is gone
    monkeypatch.setattr(socket, "gethostname", lambda: "mac.local")
    moved = here.rename(here.with_name("moved data"))
    with Store.open(url) as again, lease.hold(again, moved):
        again.events.record("again")


def test_a_copy_of_a_data_directory_is_another_one(store, url, here, tmp_path):
    with lease.hold(store, here):
        shutil.copytree(here, tmp_path / "copy")
        with Store.open(url) as other, pytest.raises(AlreadyRunning), lease.hold(other, tmp_path / "copy"):
            pass


@pytest.mark.parametrize("damage", ["", "half", "x" * 32, "\u00e9", "0" * 100])
def test_an_identity_that_cannot_be_read_is_made_anew(here, damage):
    first = lease.identity(here)
    assert first == lease.identity(here)
    (here / "loopd.id").write_text(damage, encoding="utf-8")
    second = lease.identity(here)
    assert second != first
    assert second == lease.identity(here)


def test_a_data_directory_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(CannotCreate, match="none"):
        lease.identity(tmp_path / "none")
    (tmp_path / "loopd.id").symlink_to("/dev/null")
    with pytest.raises(CannotCreate, match=r"loopd\.id"):
        lease.identity(tmp_path)
