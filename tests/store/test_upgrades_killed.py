"""Killed at any statement of an upgrade, from any earlier schema: the old one with every row, and it comes up."""

import os
import shutil
import signal
import uuid

import psycopg
import pytest
from sqlalchemy import Engine, event, inspect, text
from test_migrations import REVISIONS, connected, contents, fill

from loop.store import Store, db

EARLIER = REVISIONS[:-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def copies(request, tmp_path):
    """Makes a database of a revision with rows in it, and copies of it."""
    postgresql = request.param == "postgresql"
    cluster = request.getfixturevalue("cluster") if postgresql else ""

    def admin(statement):
        with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def new(of=None):
        name = f"upgraded_{uuid.uuid4().hex}"
        if postgresql:
            admin(f"create database {name} template {of or 'template0'}")
        elif of:
            shutil.copy(tmp_path / of, tmp_path / name)
        return name, cluster.format(name) if postgresql else f"sqlite:///{tmp_path}/{name}"

    return new


@pytest.fixture
def lived(tmp_path, live):
    made = f"sqlite:///{tmp_path}/lived.db"
    with Store.open(made) as store:
        live(store)
    with connected(made) as connection:
        found = contents(connection)
    found["policy"][1]["adapter_path"] = "/old/home/data/models/a"
    return found


def filled(copies, revision, rows):
    """Make a database of an earlier schema, with rows."""
    name, url = copies()
    db.upgrade(url, revision)
    with connected(url) as connection:
        fill(connection, rows)
    return name, url


def there(url):
    """The revision, and every row of every table."""
    with connected(url) as connection:
        tables = sorted(inspect(connection).get_table_names())
        found = {table: sorted(map(repr, connection.execute(text(f"select * from {table}")).all())) for table in tables}
    return found.pop("alembic_version"), found


def killed(url, at):
    """Upgrade in a process that is killed before one of its statements; says whether it came that far."""
    child = os.fork()
    if not child:
        try:
            count = 0

            def kill(*_):
                nonlocal count
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            event.listen(Engine, "before_cursor_execute", kill)
            db.upgrade(url)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def statements(url, to):
    """Count the statements of an upgrade, which is carried out."""
    count = 0

    def see(*_):
        nonlocal count
        count += 1

    event.listen(Engine, "before_cursor_execute", see)
    try:
        db.upgrade(url, to)
    finally:
        event.remove(Engine, "before_cursor_execute", see)
    return count


def survive(copies, lived, revision, every):
    """Kill at every so many statements of the next migration."""
    name, url = filled(copies, revision, lived)
    before = there(url)
    count = statements(copies(name)[1], REVISIONS[REVISIONS.index(revision) + 1])
    whole = copies(name)[1]
    db.upgrade(whole)
    after = there(whole)
    assert after[0] == [f"('{REVISIONS[-1]}',)"]
    for at in range(1 + int(revision) % every, count + 1, every):
        _, url = copies(name)
        assert killed(url, at), at
        assert there(url) == before, at
        db.upgrade(url)
        assert there(url) == after, at


@pytest.mark.parametrize("revision", EARLIER)
@pytest.mark.reliability(id="F13")
def test_killed_at_a_statement_of_an_upgrade_nothing_is_lost(copies, lived, revision):
    survive(copies, lived, revision, every=97)


@pytest.mark.slow
@pytest.mark.parametrize("revision", EARLIER)
@pytest.mark.reliability(id="F13")
def test_killed_at_every_statement_of_an_upgrade_nothing_is_lost(copies, lived, revision):
    survive(copies, lived, revision, every=1)
