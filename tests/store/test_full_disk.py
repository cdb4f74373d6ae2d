"""A disk that is really full: what was acknowledged is there, the refusal says what to do, and it goes on with room."""

import os
import shutil
import subprocess
import uuid
from contextlib import contextmanager

import psycopg
import pytest

from loop.errors import CannotCreate
from loop.store import Store, db

pytestmark = [pytest.mark.fault, pytest.mark.reliability(id="F5")]

SIZE = "20m"
TEXT = 64 * 1024
"""Characters of what is written, drawn so that nobody packs them."""


@contextmanager
def small_disk(path):
    """A file system of a few MiB."""
    path.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", path], check=False).returncode
    ):
        pytest.skip("a small file system can be mounted by root only")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def small(request, tmp_path, cluster_home):
    """A small disk, and a database on it."""
    with small_disk(cluster_home / f"small-{uuid.uuid4().hex}" if cluster_home else tmp_path / "small") as disk:
        if cluster_home is None:
            yield disk, f"sqlite:///{disk}/loopd.db"
            return
        cluster, name = request.getfixturevalue("cluster"), f"small_{uuid.uuid4().hex}"
        shutil.chown(disk, user="postgres" if os.geteuid() == 0 else None)
        with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
            admin.execute(f"create tablespace {name} location '{disk}'")
            admin.execute(f"create database {name} tablespace {name}")
            yield disk, cluster.format(name)
            admin.execute(f"drop database {name} with (force)")
            admin.execute(f"drop tablespace {name}")


@pytest.fixture(params=["sqlite", "postgresql"])
def cluster_home(request):
    return request.getfixturevalue("server").home if request.param == "postgresql" else None


def test_a_full_disk_is_told_and_left_behind(small):
    disk, url = small
    db.upgrade(url)
    ballast, acknowledged = disk / "ballast", 0
    ballast.write_bytes(b"x" * 4 * 2**20)
    with Store.open(url) as store:
        list(store.events.read())  # connected before it is full: PostgreSQL lets nobody in without room for a cache
        with pytest.raises(CannotCreate, match=r"The disk is full. Free some space"):
            for n in range(1000):
                store.events.record("kept", number=n, text=os.urandom(TEXT // 2).hex())
                acknowledged = n + 1
        assert acknowledged > 5
        numbers = [event.fields["number"] for event in store.events.read(kind="kept")]
        assert numbers == list(range(acknowledged))
        ballast.unlink()
        for n in range(acknowledged, acknowledged + 10):
            store.events.record("kept", number=n, text=os.urandom(TEXT // 2).hex())
        assert len(list(store.events.read(kind="kept"))) == acknowledged + 10
        assert list(store.inspection.findings(quick=True)) == []
