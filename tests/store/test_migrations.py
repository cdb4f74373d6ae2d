"""The schema: the same from models and migrations, up and down on both databases, never older code on newer data."""

import shutil
import sqlite3
from contextlib import contextmanager

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from loop.errors import CannotCreate, CheckNegative, ConfigError
from loop.runtime import query
from loop.store import Store, db
from loop.store.tables import Table
from loop.types import Purpose, RoundState

REVISIONS = tuple(f"{number:04}" for number in range(1, 21))


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified")  # PostgreSQL's index, seen on SQLite
def test_the_migrated_schema_is_the_models(url):
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: kind != "table" or not name.startswith("trajectory_words_index"),
    }
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Table.metadata) == []


@contextmanager
def connected(url):
    engine = db.engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def shape(connection):
    """Everything that a comparison of models leaves out: checks, and keys with their columns."""
    found = inspect(connection)
    return {
        table: (
            sorted((check["name"], check["sqltext"]) for check in found.get_check_constraints(table)),
            sorted((key["name"], *key["constrained_columns"]) for key in found.get_foreign_keys(table)),
            sorted((key["name"], *key["column_names"]) for key in found.get_unique_constraints(table)),
            sorted((index["name"], *map(str, index["column_names"])) for index in found.get_indexes(table)),
        )
        for table in Table.metadata.tables
    }


def test_checks_and_keys_are_the_models_too(bare, tmp_path):
    with connected(bare) as connection:
        Table.metadata.create_all(connection)
        by_models = shape(connection)
        Table.metadata.drop_all(connection)
    db.upgrade(bare)
    with connected(bare) as connection:
        assert shape(connection) == by_models


def test_the_schema_goes_up_one_step_at_a_time_and_keeps_what_is_there(bare):
    for revision in REVISIONS:
        db.upgrade(bare, revision)
        with connected(bare) as connection:
            connection.execute(text("insert into event (at, kind, fields) values (0, :kind, '{}')"), {"kind": revision})
    with Store.open(bare) as store:
        assert [event.kind for event in store.events.read()] == list(REVISIONS)
        assert store.rounds.open("config", 0).state is RoundState.SAMPLE


FIRST = "0003"
"""The schema of the first release."""
WITHOUT = {"gate_result": {"plays": None}}
"""What it did not know of a row."""


def contents(connection):
    """Everything in the tables, as it lies there."""
    order = {"policy": "added"}  # a parent before its children
    return {
        table: [
            dict(row)
            for row in connection.execute(text(f"select * from {table} order by {order.get(table, 1)}")).mappings()
        ]
        for table in (each.name for each in Table.metadata.sorted_tables)
    }


def fill(connection, rows):
    """Put rows into tables as they are; what the database refuses was asked when they were made."""
    triggers = unguarded(connection)
    known = inspect(connection).get_table_names()
    for table in (name for name in rows if name in known):
        serial = {"id"} if Table.metadata.tables[table].columns.get("id") is not None and is_serial(table) else set()
        names = [each["name"] for each in inspect(connection).get_columns(table) if each["name"] not in serial]
        into = f"insert into {table} ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)})"
        for row in rows[table]:
            if (table, row.get("id")) != ("round", 0):  # which every database has
                connection.execute(text(into), {name: row[name] for name in names})
    for trigger in triggers:
        connection.exec_driver_sql(trigger)


def is_serial(table):
    return Table.metadata.tables[table].columns["id"].autoincrement is True


def unguarded(connection):
    """Let nothing be refused for now; what brings SQLite's triggers back."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("set local session_replication_role = replica"))
        return []
    found = connection.execute(text("select name, sql from sqlite_master where type = 'trigger'")).all()
    for name, _ in found:
        connection.exec_driver_sql(f"drop trigger {name}")
    return [sql for _, sql in found]


def test_a_database_of_the_first_release_comes_up_with_its_rows_and_goes_on(bare, live, make, tmp_path):
    made = f"sqlite:///{tmp_path}/made.db"
    with Store.open(made) as store:
        judged_by_its_own(store, make, live(store))
    with connected(made) as connection:
        now = contents(connection)
    then = {table: [dict(row) for row in rows] for table, rows in now.items()}
    then["policy"][1]["adapter_path"] = "/old/home/data/models/a"
    then["trajectory"] = [row | ({"passed": None} if row["purpose"] == "gate" else {}) for row in then["trajectory"]]
    db.upgrade(bare, FIRST)
    with connected(bare) as connection:
        fill(connection, then)
    db.upgrade(bare)
    with connected(bare) as connection:
        assert contents(connection) == {**now, **unknown(now)}
    goes_on(bare, make)


def unknown(now):
    """The rows that the first release could not have, and the columns."""
    lost = {"training_step": [], "replay": []}
    return lost | {table: [row | without for row in now[table]] for table, without in WITHOUT.items()}


def judged_by_its_own(store, make, rnd):
    """Play a suite that has checkers of its own: the first release said neither yes nor no."""
    suite = store.suites.newest("files")
    play = make.play(rnd, suite.tasks[0], policy=make.policy, purpose=Purpose.GATE, suite=suite.id)
    store.plays.owe(rnd, [], [play])
    store.plays.finish(play, make.trajectory(play))
    store.verdicts.record(play.id, [make.verdict("written")], [("written", 1)])
    store.suites.score(rnd, suite.id, "own", [("written", 1)])


def goes_on(url, make):
    with Store.open(url) as store:
        (stock, _), (tuned, standing) = store.policies.all()
        assert (store.policies.champion(), stock, tuned.adapter, standing) == (
            make.policy,
            make.policy,
            "a",
            "rejected",
        )
        assert store.promotions.decided(store.rounds.get(1)).reason == "inconclusive"
        assert [result.gate for result in store.gates.results(store.rounds.get(1))] == ["breadth", "depth"]
        assert len(list(store.trajectories.accepted(make.required))) == 4
        for move in ("collect", "check", "train", "gate", "promote", "done"):
            rnd = store.rounds.advance(store.rounds.open("config", 0), RoundState(move))
        assert store.rounds.open("config", 0).id == rnd.id + 1
        store.events.record("after")
        with pytest.raises(CheckNegative):
            store.promotions.promote(tuned.id, "by hand")
    engine = db.engine(url, write=False)
    with query.read_only(url) as ask, engine.connect() as connection:
        for view in inspect(connection).get_view_names():
            ask(f"select * from {view}")
        accepted = ask("select accepted from v_trajectories where purpose = 'gate'").rows
    engine.dispose()
    assert accepted == [(1,)]


@pytest.mark.reliability(id="F13")
def test_the_schema_goes_down_again(bare):
    db.upgrade(bare)
    with connected(bare) as connection:
        command.downgrade(db._config(connection), "base")
    with connected(bare) as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        assert inspect(connection).get_view_names() == []
    db.upgrade(bare)


def test_a_database_newer_than_the_code_is_refused(bare):
    db.upgrade(bare)
    with connected(bare) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(ConfigError, match="its schema is 9999, newer than this loopd knows") as caught:
        Store.open(bare)
    assert caught.value.exit_code == 78


def test_a_file_with_data_is_copied_before_it_is_upgraded(tmp_path):
    url, kept = f"sqlite:///{tmp_path}/loopd.db", tmp_path / "loopd.db.0002.bak"
    db.upgrade(url, "0002")
    with connected(url) as connection:
        connection.execute(text("insert into event (at, kind, fields) values (0, 'kept', '{}')"))
    db.upgrade(url)
    with sqlite3.connect(kept) as copy:
        assert copy.execute("select kind from event").fetchall() == [("kept",)]
        assert copy.execute("select version_num from alembic_version").fetchall() == [("0002",)]
    db.upgrade(url)
    assert sorted(path.name for path in tmp_path.glob("*.bak")) == [kept.name]


def test_without_room_for_a_copy_nothing_is_upgraded(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/loopd.db"
    db.upgrade(url, "0002")
    usage = shutil.disk_usage(tmp_path)
    size = (tmp_path / "loopd.db").stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=db.SLACK + size))
    with pytest.raises(CannotCreate, match="Nothing was changed"):
        db.upgrade(url)
    with connected(url) as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar() == "0002"
    assert list(tmp_path.glob("*.bak")) == []
    monkeypatch.undo()
    db.upgrade(url)


@pytest.mark.reliability(id="F13")
def test_a_migration_that_fails_leaves_the_old_schema(bare, monkeypatch, tmp_path):
    db.upgrade(bare, "0002")
    broken = tmp_path / "migrations"
    shutil.copytree(db.migrations_dir(), broken, ignore=shutil.ignore_patterns("__pycache__"))
    views = broken / "versions" / "0003_views.py"
    views.write_text(views.read_text() + '\nVIEWS["v_last"] = "select nonsense from nowhere where where"\n')
    with monkeypatch.context() as patch:
        patch.setattr(db, "migrations_dir", lambda: broken)
        with pytest.raises(CannotCreate, match=r"syntax error"):
            db.upgrade(bare)
    with connected(bare) as connection:
        assert inspect(connection).get_view_names() == []
        assert connection.execute(text("select version_num from alembic_version")).scalar() == "0002"
    db.upgrade(bare)


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", ""])
def test_a_url_that_cannot_be_used_says_what_to_write(url):
    with pytest.raises(ConfigError, match="Write sqlite:///PATH or postgresql://USER@HOST/NAME"):
        Store.open(url)


def test_a_password_is_never_shown():
    with pytest.raises(ConfigError) as caught:
        Store.open("mysql://me:secret@host/name")
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_made_says_where(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreate, match=r"file/loopd\.db"):
        Store.open(f"sqlite:///{tmp_path}/file/loopd.db")


def test_a_file_that_is_no_database_says_so(tmp_path):
    (tmp_path / "loopd.db").write_text("not a database " * 100)
    with pytest.raises(CannotCreate, match="not a database"):
        Store.open(f"sqlite:///{tmp_path}/loopd.db")


def test_a_server_that_is_not_there_says_where():
    with pytest.raises(CannotCreate, match="database postgresql"):
        Store.open("postgresql://me:secret@/nowhere?host=/nonexistent")


def test_the_file_is_durable_and_careful(url):
    if not url.startswith("sqlite"):
        pytest.skip("pragmas are SQLite's")
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000, "trusted_schema": 0}
    with connected(url) as connection:
        found = {name: connection.exec_driver_sql(f"pragma {name}").scalar() for name in wanted}
    assert found == wanted
