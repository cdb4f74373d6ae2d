"""A backup that was taken while the store was written to comes back whole, and nothing else is believed."""

import tarfile
import threading
import uuid

import numpy as np
import psycopg
import pytest
from safetensors.numpy import save_file

from loop.errors import CannotCreate, CheckNegative, Damaged, NotFound
from loop.runtime.paths import Paths
from loop.storage import archive
from loop.store import Store
from loop.types import Policy, Standing
from loop.weights import adapters

BASE = "b" * 64


@pytest.fixture
def places(tmp_path):
    return Paths(data=tmp_path / "data", logs=tmp_path / "logs", config=tmp_path / "config").create()


@pytest.fixture
def other(tmp_path):
    return Paths(data=tmp_path / "other", logs=tmp_path / "logs", config=tmp_path / "config").create()


@pytest.fixture
def adapter(tmp_path, places):
    """A published adapter."""
    made = tmp_path / "adapter"
    made.mkdir()
    save_file({"lora_a": np.ones((2, 2), np.float32)}, made / adapters.WEIGHTS)
    (made / adapters.SETTINGS).write_text("{}")
    return adapters.publish(made, places.models, base=BASE).id


@pytest.fixture
def kept(store, live, make, adapter):
    """A store with a policy that has that adapter."""
    live(store)
    policy = Policy(base=BASE, adapter=adapter, system="s", template="t")
    store.policies.add(policy, Standing.SPECIALIST)
    return store


@pytest.fixture
def target(url, request, other):
    """Where it is put back: a database without anything in it."""
    if url.startswith("sqlite"):
        return f"sqlite:///{other.data}/loopd.db"
    cluster, name = request.getfixturevalue("cluster"), f"restored_{uuid.uuid4().hex}"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    return cluster.format(name)


@pytest.mark.reliability(id="F19")
@pytest.mark.parametrize("backups", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_what_was_copied_under_load_comes_back_and_is_sound(  # noqa: PLR0913 - two homes
    kept, url, target, places, other, tmp_path, adapter, backups
):
    ended, before = threading.Event(), []

    def write():
        while not ended.wait(0.001):
            kept.events.record("load")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(backups):
            before.append(sum(1 for _ in kept.events.read()))
            archive.write(tmp_path / f"{n}.tar", url, places)
    finally:
        ended.set()
        thread.join()
    wins = list(kept.trajectories.accepted([("outcome", 1)]))
    for n in range(backups):
        archive.restore(tmp_path / f"{n}.tar", target, other)
        with Store.open(target) as store:
            assert list(store.inspection.findings()) == []
            assert before[n] <= sum(1 for _ in store.events.read()) <= sum(1 for _ in kept.events.read())
            assert store.policies.all() == kept.policies.all()
            assert list(store.trajectories.accepted([("outcome", 1)])) == wins
        assert adapters.verify(other.models / adapter, base=BASE)
    assert [path.name for path in other.data.iterdir() if path.name.startswith(".")] == []


def test_a_backup_in_the_place_of_a_store_keeps_that_beside_it(kept, url, places, tmp_path):
    if not url.startswith("sqlite"):
        pytest.skip("PostgreSQL has no file")
    database = tmp_path / "loopd.db"
    archive.write(tmp_path / "a.tar", url, places)
    kept.events.record("later")
    kept.close()
    archive.restore(tmp_path / "a.tar", url, places)
    with Store.open(url) as store:
        assert "later" not in {event.kind for event in store.events.read()}
    with Store.open(f"sqlite:///{database}.before-restore.bak") as store:
        assert "later" in {event.kind for event in store.events.read()}


def test_nothing_is_overwritten(kept, url, places, tmp_path):
    (tmp_path / "a.tar").write_text("mine")
    with pytest.raises(CannotCreate, match="is there already"):
        archive.write(tmp_path / "a.tar", url, places)
    with pytest.raises(NotFound, match="There is no backup"):
        archive.restore(tmp_path / "b.tar", url, places)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lengthen(path):
    with tarfile.open(path, "a") as tar:
        tar.add(__file__, "../../evil")


def link(path):
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("loopd.db")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)


def swap(path):
    with tarfile.open(path, "w") as tar:
        tar.add(__file__, "loopd.db")
        tar.add(__file__, archive.MANIFEST)


def garbage(path):
    path.write_bytes(b"garbage" * 1000)


@pytest.mark.parametrize("spoil", [cut, lengthen, link, swap, garbage])
@pytest.mark.reliability(id="F19")
def test_what_is_no_whole_backup_changes_nothing(kept, url, target, places, other, tmp_path, spoil):  # noqa: PLR0913 - two homes
    archive.write(tmp_path / "a.tar", url, places)
    spoil(tmp_path / "a.tar")
    with pytest.raises(CheckNegative):
        archive.restore(tmp_path / "a.tar", target, other)
    assert list(other.models.iterdir()) == []
    assert not (other.data / "loopd.db").exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.reliability(id="F19")
def test_a_damaged_store_is_not_put_back(kept, url, target, places, other, tmp_path):  # noqa: PLR0913 - two homes
    if not url.startswith("sqlite"):
        pytest.skip("what PostgreSQL holds is looked at when it is there")
    with kept.database.write() as connection:
        connection.exec_driver_sql("update message set content = 'Other.' where place = 1")
    archive.write(tmp_path / "a.tar", url, places)
    with pytest.raises(Damaged, match="The backup's database is damaged"):
        archive.restore(tmp_path / "a.tar", target, other)
    assert not (other.data / "loopd.db").exists()
