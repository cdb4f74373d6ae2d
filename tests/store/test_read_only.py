"""`loopd sql` reads, within bounds, and nothing else."""

import time

import pytest

from loop.errors import CannotCreate, CheckNegative, NotFound
from loop.runtime import query

HOSTILE = (
    "drop table round",
    "insert into event (at, kind, fields) values (0, 'x', '{}')",
    "update round set seed = '1' returning *",
    "delete from round",
    "create table t (a text)",
    "create temp table t (a text)",
    "alter table round add column x text",
    "attach '{tmp}/evil.db' as evil",
    "vacuum into '{tmp}/evil.db'",
    "vacuum",
    "pragma query_only = 0",
    "pragma writable_schema = 1",
    "select * from pragma_database_list",
    "select load_extension('x')",
    "select writefile('{tmp}/evil.db', 'x')",
    "select 1; drop table round",
    "commit; drop table round",
    "rollback",
    "begin",
    "set transaction read write",
    "copy event to '{tmp}/evil.db'",
    "copy event to program 'touch {tmp}/evil.db'",
    "select set_config('transaction_read_only', 'off', false)",
    "select pg_read_file('/etc/passwd')",
    "select * from pg_ls_dir('/')",
    "do $$ begin delete from round; end $$",
    "create function f() returns int language sql as 'select 1'",
    "with gone as (delete from round returning *) select * from gone",
    "select hex(zeroblob(1000000000))",
    "select length(printf('%.*c', 1000000000, 'x'))",
    "select '\0'",
    "select '\ud800'",
    "select (" * 3000,
    "select nothing from nowhere",
    "",
    " ; ",
    "-- nothing",
)


@pytest.mark.parametrize("statement", HOSTILE, ids=range(len(HOSTILE)))
def test_a_statement_that_is_no_question_changes_nothing(url, tmp_path, statement):
    with query.read_only(url) as ask:
        with pytest.raises(CheckNegative):
            ask(statement.replace("{tmp}", str(tmp_path)), seconds=2)
        assert ask("select id, state from round").rows == [(0, "done")]
    assert not (tmp_path / "evil.db").exists()


def test_an_answer_is_bounded_and_says_so(url, store):
    for n in range(5):
        store.events.record("tick", n=n)
    with query.read_only(url) as ask:
        assert ask("select kind from event", rows=5) == (("kind",), [("tick",)] * 5, False)
        assert ask("select kind from event", rows=4) == (("kind",), [("tick",)] * 4, True)
        assert ask("values (1, '100%', ':x', null)").rows == [(1, "100%", ":x", None)]


def test_a_question_without_an_end_is_stopped(url):
    endless = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"
    with query.read_only(url) as ask:
        begin = time.monotonic()
        with pytest.raises(CheckNegative, match=r"longer than 0\.5 s"):
            ask(endless, seconds=0.5)
        assert time.monotonic() - begin < 5
        assert ask("select 1").rows == [(1,)]


def test_questions_are_answered_while_the_writer_writes(url, store):
    with query.read_only(url) as ask, store.database.write() as connection:
        connection.exec_driver_sql("insert into event (at, kind, fields) values (0, 'half', '{}')")
        assert ask("select * from event").rows == []


def test_a_store_that_is_not_there_says_what_to_type(tmp_path):
    with pytest.raises(NotFound, match="loopd start"), query.read_only(f"sqlite:///{tmp_path}/none.db"):
        pass
    with pytest.raises(CannotCreate), query.read_only("postgresql://nobody@/none?host=/nonexistent"):
        pass


def test_the_views_can_be_listed(url):
    with query.read_only(url) as ask:
        answer = ask(query.views(url))
    assert answer.columns == ("view",)
    assert {"v_rounds", "v_gates", "v_spend"} <= {name for (name,) in answer.rows}
