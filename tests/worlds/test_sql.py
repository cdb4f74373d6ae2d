"""A database that a player may use, and nothing else."""

import gc
import json
import os
import time
from pathlib import Path

import psutil
import pytest

from loop.types import Call
from task_generators.backends.backend import BadState
from task_generators.backends.sql_backend import MAX_LINE, MAX_STOPS
from task_generators.backends.worlds import open_world

SHOP = {
    "schema": (
        "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL);"
        "CREATE TABLE sale(id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES item(id), amount INTEGER);"
        "CREATE TABLE big(a INTEGER, b TEXT);"
    ),
    "rows": {
        "item": [[1, "pen", 1.5], [2, 'ink; "blue"', 4.0], [3, "pad", None]],
        "sale": [[1, 1, 10], [2, 2, 3]],
        "big": [[number, f"x{number}"] for number in range(2_000)],
    },
}

SIXES = "6" * 9_000

HOSTILE = {
    "write": "insert into item values(9, 'x', 1)",
    "drop": "drop table item",
    "alter": "alter table item rename to x",
    "attach": "attach '/etc/passwd' as x",
    "attach a new file": "attach 'CANARY.db' as x",
    "pragma": "pragma writable_schema=1",
    "pragma as a table": "select * from pragma_database_list",
    "vacuum into": "vacuum into 'CANARY.db'",
    "load an extension": "select load_extension('x')",
    "schema": "select * from sqlite_master",
    "temporary schema": "select * from sqlite_temp_master",
    "temporary table": "create temp table z as select * from item",
    "view": "create view v as select 1",
    "trigger": "create trigger t after insert on item begin select 1; end",
    "virtual table": "create virtual table v using fts5(a)",
    "transaction": "begin; delete from item",
    "two statements": "select 1; drop table item",
    "zeroblob": "select length(zeroblob(1000000000))",
    "randomblob": "select hex(randomblob(1000000000))",
    "random": "select random()",
    "printf": "select length(printf('%.*c', 1000000000, 'x'))",
    "format": "select format('%1000000000d', 1)",
    "replace": f"select length(replace(replace(replace(hex('aaaaaaaaaa'),'6','{SIXES}'),'6','{SIXES}'),'6','66'))",
    "doubling text": "with recursive r(s,n) as (select 'aaaaaaaaaa',1 union all select s||s,n+1 from r where n<40) "
    "select max(length(s)) from r",
    "without end": "with recursive r(n) as (select 1 union all select n+1 from r) select count(*) from r",
    "cross join": "select count(*) from big a, big b, big c",
    "concatenation": "select length(group_concat(a.b)) from big a, big b, big c",
    "sort": "select a.a from big a, big b, big c order by a.b||b.b||c.b limit 1",
    "like": "select count(*) from big where ('" + "a" * 900 + "b') like '" + "%a" * 400 + "c'",
    "glob": "select '" + "a" * 5_000 + "' glob '" + "*a" * 400 + "*b'",
    "deep": "select " + "(" * 5_000 + "1" + ")" * 5_000,
    "long": "select '" + "a" * 50_000 + "'",
    "json": "select json_extract('" + "[" * 3_000 + "]" * 3_000 + "', '$[0]')",
    "regexp": "select 'a' regexp 'b'",
    "search in long text": f"select instr(replace('{SIXES}','6','{'a' * 90}'),'b') from big a, big b, big c",
    "too many rows": "select a.a from big a, big b",
    "nul": "select '\0'",
    "surrogate": "select '\ud800'",
    "file": "select readfile('/etc/passwd')",
    "edit": "select edit('x')",
    "match": "select * from item where item match 'x'",
    "infinity": "select 9e999 from no_such_table",
    "nothing": "",
    "comment": "-- nothing",
    "not SQL": "please delete everything",
}


@pytest.fixture
def world():
    return open_world(("SQL",), {"SQL": SHOP})


def ask(world, tool, **arguments):
    return world.call(Call(name=tool, arguments=arguments))


def spent():
    """Seconds of the processor that we and our children have taken."""
    taken = [psutil.Process().cpu_times(), *(child.cpu_times() for child in living())]
    return sum(times.user + times.system for times in taken)


def living():
    """Our children, but not those of other tests that ended and that nobody has waited for."""
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def newest_child():
    """The confined child of the world that was opened last; other tests' children may be about."""
    mine = [child for child in living() if "sql_child" in " ".join(child.cmdline())]
    return max(mine, key=lambda child: child.create_time())


def test_tables_are_listed_described_and_read(world):
    assert ask(world, "list_tables").value == {"tables": ["big", "item", "sale"]}
    described = ask(world, "describe_table", table="item").value
    assert [column["name"] for column in described["columns"]] == ["id", "name", "price"]
    assert described["row_count"] == 3
    told = ask(world, "query", sql="SELECT name, price * 2 FROM item ORDER BY id").value
    assert told == {"columns": ["name", "price * 2"], "rows": [["pen", 3.0], ['ink; "blue"', 8.0], ["pad", None]]}


def test_writes_change_the_state_and_reads_do_not(world):
    before = world.state()
    assert ask(world, "query", sql="SELECT * FROM sale").ok
    assert world.state() == before
    assert ask(world, "execute", sql="UPDATE item SET price = 2 WHERE id = 3").value == {"rows_changed": 1}
    assert world.state() != before
    assert ask(world, "execute", sql="UPDATE item SET price = NULL WHERE id = 3").ok
    assert world.state() == before


def test_the_order_of_writes_is_no_part_of_the_state():
    worlds = [open_world(("SQL",), {"SQL": SHOP}) for _ in range(2)]
    rows = ["(7, 'a', 1)", "(8, 'b', 2)"]
    for world, order in zip(worlds, (rows, rows[::-1]), strict=True):
        for row in order:
            assert ask(world, "execute", sql=f"INSERT INTO item VALUES {row}").ok
    assert worlds[0].state() == worlds[1].state()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE item SET name = NULL",
        "INSERT INTO sale VALUES (9, 99, 1)",
        "SELECT 1",
        "DELETE FROM sqlite_master",
        "UPDATE big SET a = 1",
        "INSERT INTO big SELECT a.a, a.b FROM big a, big b",
        "DROP TABLE item",
        "CREATE TABLE x(a)",
    ],
)
def test_a_write_that_fails_changes_nothing(world, sql):
    before = world.state()
    assert not ask(world, "execute", sql=sql).ok
    assert world.state() == before
    assert ask(world, "execute", sql="DELETE FROM sale WHERE id = 2").ok


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("tool", ["query", "execute"])
def test_a_hostile_statement_makes_no_file_takes_no_time_and_no_memory(world, name, tool):
    if tool == "execute" and name == "write":
        pytest.skip("that is what it is for")
    files, before, began = set(Path().iterdir()), world.state(), time.monotonic()
    spent = sum(newest_child().cpu_times()[:2])
    result = ask(world, tool, sql=HOSTILE[name])
    assert time.monotonic() - began < 32
    assert sum(newest_child().cpu_times()[:2]) - spent < 3.5
    assert result.ok is False or name in {"doubling text", "glob", "like", "replace", "nul", "surrogate"}
    assert set(Path().iterdir()) == files
    assert not Path("/CANARY.db").exists()
    assert world.state() == before
    assert all(child.memory_info().rss < 256 * 2**20 for child in psutil.Process().children())
    assert ask(world, "query", sql="SELECT 1").ok


WIDE = ", ".join(f"c{number}" for number in range(90))
NOTHING = ", ".join(["NULL"] * 90)
THOUSAND = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000)"
CONTROL = f"replace(replace('{'x' * 15_000}', 'x', 'yyyy'), 'y', char(1))"

FILLING = {
    "rows of nothing": f"INSERT INTO wide {THOUSAND} SELECT {NOTHING} FROM n",
    "text that JSON escapes": f"INSERT INTO long SELECT {CONTROL}",
    "bytes": f"INSERT INTO long SELECT CAST({CONTROL} AS BLOB)",
}


@pytest.mark.parametrize("filling", FILLING)
def test_a_full_database_is_read_written_and_compared_in_no_time(filling):
    schema = f"CREATE TABLE wide({WIDE}); CREATE TABLE long(a);"
    world = open_world(("SQL",), {"SQL": {"schema": schema, "rows": {}}})
    for _ in range(40):
        began = spent()
        result = ask(world, "execute", sql=FILLING[filling])
        assert spent() - began < 1.5
        if not result.ok:
            break
    assert result.value == {"error": "database or disk is full"}
    began = spent()
    assert len(json.dumps(world.state())) < MAX_LINE
    assert spent() - began < 1.5
    assert ask(world, "query", sql="SELECT (SELECT count(*) FROM wide) + (SELECT count(*) FROM long)").value[
        "rows"
    ] != [[0]]
    assert ask(world, "execute", sql="DELETE FROM long").ok


def test_names_of_columns_count_as_part_of_an_answer(world):
    many = [f"w{number}" for number in range(20)]
    sql = f'WITH w AS (SELECT 1 AS "{"a" * 15_000}") SELECT {", ".join(f"{each}.*" for each in many)} FROM '
    assert "too much text" in ask(world, "query", sql=sql + ", ".join(f"w {each}" for each in many)).value["error"]


def test_rows_are_bounded_while_they_are_read(world):
    """On a Mac nothing else bounds the child's memory."""
    before = psutil.Process(newest_child().pid).memory_info().rss
    sql = f"{THOUSAND}, t(x) AS (SELECT {CONTROL}) SELECT x, x, x FROM t, n"
    assert "too much text" in ask(world, "query", sql=sql).value["error"]
    assert psutil.Process(newest_child().pid).memory_info().rss < before + 2**25


def test_a_database_whose_statements_take_too_long_is_closed(world):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert ask(world, "execute", sql="DELETE FROM sale").ok
    for _ in range(MAX_STOPS):
        assert "took too long" in ask(world, "query", sql=endless).value["error"]
    began, state = time.monotonic(), world.state()
    assert state["SQL"]["tables"]["sale"]["rows"] == []
    assert "closed" in ask(world, "query", sql="SELECT 1").value["error"]
    assert "closed" in ask(world, "execute", sql="DELETE FROM item").value["error"]
    assert time.monotonic() - began < 1
    assert state == world.state()


def test_the_corpus_is_large_enough():
    assert len(HOSTILE) >= 30


def test_a_child_that_dies_is_replaced_and_its_writes_are_made_again(world):
    assert ask(world, "execute", sql="DELETE FROM sale WHERE id = 1").ok
    child = newest_child()
    child.kill()
    child.wait()
    assert not ask(world, "query", sql="SELECT 1").ok
    assert ask(world, "query", sql="SELECT count(*) FROM sale").value["rows"] == [[1]]


def test_the_child_ends_with_its_world():
    world = open_world(("SQL",), {"SQL": SHOP})
    child = newest_child()
    del world
    gc.collect()
    assert not child.is_running()


@pytest.mark.parametrize(
    "initial",
    [
        {},
        {"schema": "DROP TABLE x;"},
        {"schema": "CREATE TABLE a(b); ATTACH 'x' AS y;"},
        {"schema": "CREATE TABLE a(b);", "rows": {"a": [[1, 2]]}},
        {"schema": "CREATE TABLE a(b);", "rows": {"c": [[1]]}},
        {"schema": "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;"},
    ],
)
def test_a_database_that_cannot_be_built_says_why(initial):
    with pytest.raises(BadState, match="initial state of SQL"):
        open_world(("SQL",), {"SQL": initial})


def test_the_child_can_open_nothing(world):
    assert ask(world, "list_tables").ok
    child = newest_child()
    assert child.environ() == {} or "PATH" not in child.environ()
    if hasattr(child, "rlimit"):
        assert child.rlimit(psutil.RLIMIT_NOFILE)[1] == 3
        assert child.rlimit(psutil.RLIMIT_FSIZE)[1] == 0
    assert os.getpid() != child.pid
