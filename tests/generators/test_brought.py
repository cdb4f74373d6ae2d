"""Suites that users bring: every right statement runs or is listed, and what is broken is one error that names it."""

import json

import pytest

from loop.errors import ConfigError
from task_generators.suites.brought import defog
from task_generators.suites.brought.postgres_dump import sqlite_of

DUMP = """
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE shop.item (
  id SERIAL PRIMARY KEY,
  name character varying(20) DEFAULT ''::character varying,
  price NUMERIC(10,2), -- in euro
  sold TIMESTAMP NOT NULL DEFAULT NOW()
);
CREATE TABLE shop.sale (item_id INT REFERENCES shop.item(id), day DATE);
INSERT INTO shop.item (id, name, price, sold) VALUES
  (1, 'it''s; a cup', 2.5, NOW() - INTERVAL '2 days'),
  (2, 'plate', 4.0, CURRENT_TIMESTAMP - INTERVAL '1 week' + INTERVAL '10 min');
INSERT INTO shop.sale VALUES (1, DATE_TRUNC('month', CURRENT_DATE) - INTERVAL '1 month'), (2, CURRENT_DATE);
"""
HEAD = "db_name,db_type,query_category,query,question,instructions\n"
RIGHT = ("SELECT name FROM item WHERE price > 3", "SELECT id FROM item WHERE price > 3")
GOOD = f'shop,sqlite,ratio,"{"; ".join(RIGHT)};",Which is dear?,Mind it.\n'


@pytest.fixture
def directory(tmp_path):
    place = tmp_path / "defog"
    place.mkdir()
    (place / "shop.sql").write_text(DUMP)
    for file in defog.FILES.values():
        (place / file).write_text(HEAD + GOOD)
    return place


def questions(directory, *rows):
    (directory / defog.FILES["defog"]).write_text(HEAD + "".join(rows))
    found = defog.read(directory)
    return found.suites[0].tasks, [each for each in found.left_out if each.suite == "defog"]


def test_a_dump_is_read_with_dates_that_do_not_move(directory):
    (task,), left_out = questions(directory, GOOD)
    assert not left_out
    rows = task.initial["SQL"]["rows"]
    assert sorted(rows["item"]) == [
        [1, "it's; a cup", 2.5, "2024-06-13 12:00:00"],
        [2, "plate", 4, "2024-06-08 12:10:00"],
    ]
    assert sorted(rows["sale"]) == [[1, "2024-05-01"], [2, "2024-06-15"]]
    assert "shop." not in task.initial["SQL"]["schema"]
    assert "Which is dear? Mind it." in task.turns[0].user
    assert (task.turns[0].closing, *task.turns[0].answer) == RIGHT
    assert task == questions(directory, GOOD)[0][0]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT colour FROM item", "does not run: no such column"),
        ("SELECT name FROM item WHERE price > 99", "empty"),
        ("SELECT SUM(price) FROM item WHERE price > 99", "empty"),
        ("SELECT name FROM item WHERE sold > DATE('now', '-30 days')", "day"),
        ("DELETE FROM item", "does not run"),
        ("SELECT load_extension('x')", "does not run"),
    ],
)
def test_a_question_that_decides_nothing_is_listed_with_its_line(directory, query, why):
    tasks, left_out = questions(directory, GOOD, f'shop,sqlite,ratio,"{query}",What?,\n')
    assert len(tasks) == 1
    assert [(each.line, each.database) for each in left_out] == [(3, "shop")]
    assert why in left_out[0].why


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("questions_gen_sqlite.csv", "a,b\n1,2\n", "no column"),
        ("questions_gen_sqlite.csv", HEAD + "../../etc/passwd,sqlite,x,SELECT 1,What?,\n", "not a database name"),
        ("questions_gen_sqlite.csv", HEAD + "other,sqlite,x,SELECT 1,What?,\n", "other.sql"),
        ("questions_gen_sqlite.csv", b"\xff\xfe", "UTF-8"),
        ("shop.sql", "CREATE TABLE item (", "SQLite refuses it"),
        ("shop.sql", "ATTACH DATABASE '/tmp/x' AS x;", "SQLite refuses it"),
        ("shop.sql", "CREATE TABLE a (x); INSERT INTO a SELECT load_extension('x');", "SQLite refuses it"),
    ],
)
def test_a_broken_file_is_one_error_that_names_it(directory, file, text, told):
    (directory / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=told):
        defog.read(directory)


def test_a_missing_directory_or_file_is_named(directory):
    with pytest.raises(ConfigError, match="no directory"):
        defog.read(directory / "nowhere")
    (directory / "shop.sql").unlink()
    with pytest.raises(ConfigError, match=r"shop\.sql"):
        defog.read(directory)


def ran(rehearsal, player):
    printed = rehearsal.loopd("suite", "run", "defog", "--player", player, "--json")
    return json.loads(printed[printed.index("{\n") :])["rows"]


def test_a_suite_is_brought_listed_and_played_by_the_scripted_teacher(rehearsal, directory):
    printed = rehearsal.loopd("suite", "add", "defog", "--path", str(directory), "--json")
    told = json.loads(printed)
    assert [row["suite"] for row in told["rows"]] == list(defog.FILES)
    assert "defog-basic" in rehearsal.loopd("suite", "list")
    rows = ran(rehearsal, "scripted")
    passed = {row["what"]: (row["passed"], row["of"]) for row in rows}
    for name in ("defog", "statements: exact", "statements: execution", "statements: clean"):
        assert passed[name] == (1, 1)
    rows = ran(rehearsal, "idle")
    assert {row["what"]: row["passed"] for row in rows}["defog"] == 0


def test_a_suite_that_was_not_brought_says_how(rehearsal):
    rehearsal.live(rounds=0)
    assert "loopd suite add defog --path" in rehearsal.loopd("suite", "run", "defog", code=1)
    assert "Known: defog" in rehearsal.loopd("suite", "add", "nothing", "--path", ".", code=1)


def test_months_are_kept_within_their_ends_and_casts_go():
    assert sqlite_of("SELECT '2024-03-31' - INTERVAL '1 month'") == "SELECT '2024-02-29'"
    assert sqlite_of("SELECT DATE_TRUNC('week', CURRENT_DATE) - INTERVAL '1 day'::text") == "SELECT '2024-06-09'"
    assert sqlite_of("SELECT EXTRACT(YEAR FROM CURRENT_DATE) - 2") == "SELECT 2024 - 2"
    assert sqlite_of("SELECT TO_CHAR(NOW(), 'YYYY-MM')") == "SELECT '2024-06'"
