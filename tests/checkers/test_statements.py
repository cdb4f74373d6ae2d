"""SQL statements: which of their parts are values, and when two of them do the same."""

import re
import time

import pytest
from notation import act, read_task

from checkers.dataflow import Dataflow
from checkers.evidence.databases import StatementPair, agree
from checkers.evidence.statements import Statement, names_in
from checkers.evidence.tables import holds
from checkers.outcome import Outcome
from checkers.stop import Stop
from loop.types import Call, Split, Tier
from task_generators.backends.mutants import gold_script, played
from task_generators.sql import Sql

SCHEMA = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, qty INTEGER);"
NAMES = names_in([SCHEMA])
SHOP = {
    "schema": SCHEMA,
    "rows": {"item": [[1, "pen", 1.5, 4], [2, "ink", 4.0, 9], [3, "pad", 4.0, 9], [4, "cap", None, 0]]},
}


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT name, price FROM item", []),
        ("select name from item where id = 0x3E9;", [1001]),
        ('SELECT * FROM item WHERE name = "Ann" AND "name" <> \'x\' LIMIT 3 OFFSET 10', ["Ann", "x"]),
        ("SELECT 'pen' AS name", ["pen"]),
        ("SELECT COUNT(1), ROUND(price, 2) * 100 FROM item WHERE qty > 0 AND id = 1 ORDER BY 2, price", [1]),
        ("INSERT INTO item (id, name, price, qty) VALUES (1, 'pen', 2.5, 0)", [1, "pen", 2.5, 0]),
        ("UPDATE item SET qty = 1 WHERE name LIKE 'p%' AND id IN (1, 2)", ["p%", 1, 2]),
        ("SELECT char(65, 66), x'416e6e', -5, 7 - 5 FROM item", [65, 66, "Ann", -5, 7, 5]),
        ("DELETE FROM item -- WHERE id = 5\n WHERE qty = 2 /* or 3 */", [2]),
        ("SELECT id, 'it''s' FROM item WHERE id BETWEEN 0 AND 7", ["it's", 0, 7]),
        ("SELECT strftime('%Y', name), group_concat(name, ', ') FROM item", []),
        ("SELECT 1e400, 1_000 FROM item", ["1e400", 1000]),
        ("SELECT x'4', 'open", []),
        ("", []),
    ],
)
def test_a_statements_values_are_its_literals(sql, values):
    assert [literal.value for literal in Statement(sql=sql).literals(NAMES)] == values


def test_what_does_not_matter_is_not_in_the_spelling():
    plain = Statement(sql="SELECT name FROM item WHERE id = 2 ORDER BY name")
    assert plain.spelling == Statement(sql='select\n"name" from [item] where `id`=2 order  by name ; ').spelling
    assert plain.spelling != Statement(sql="SELECT name FROM item WHERE id = 3 ORDER BY name").spelling
    assert plain.ordered
    assert not Statement(sql="SELECT * FROM (SELECT name FROM item ORDER BY name)").ordered


@pytest.mark.parametrize(
    ("sql", "depends"),
    [
        ("SELECT name, 'x' AS y, 4 z, COUNT(*), MAX(4), qty + 1 FROM item", [True, False, False, True, False, True]),
        ("SELECT DISTINCT item.name FROM item", [True]),
        ("SELECT 1", [False]),
        ("SELECT *, 1 FROM item", [True, False]),
        ("SELECT 1 UNION SELECT id FROM item", []),
    ],
)
def test_a_column_that_the_statement_itself_supplies_is_told_from_one_of_a_table(sql, depends):
    assert Statement(sql=sql).outputs == depends


@pytest.mark.parametrize(
    "piece", ["(", "1,", "'a',", "/*", "-- ", '"a",', "a.b = 1 and ", "x'4", "[a", "``", "values (1),"]
)
def test_reading_is_linear_in_the_statement(piece):
    def spent(length):
        began = time.process_time()
        Statement(sql=("SELECT " + piece * length)[:length]).literals(NAMES)
        return time.process_time() - began

    assert spent(20_000) < 12 * spent(5_000) + 3
    assert spent(400_000) < 2


@pytest.mark.parametrize(
    ("planned", "mine", "same"),
    [
        ("SELECT name FROM item WHERE id = 2", "SELECT name AS n FROM item WHERE id = 2", True),
        ("SELECT COUNT(*) FROM item", "SELECT COUNT(id) FROM item", True),
        ("SELECT DISTINCT qty FROM item", "SELECT qty FROM item GROUP BY qty", True),
        ("SELECT price FROM item WHERE id = 2", "SELECT CAST(price AS INTEGER) FROM item WHERE id = 2", True),
        ("SELECT name FROM item WHERE qty > 4", "SELECT name FROM item WHERE qty >= 5", True),
        ("SELECT name FROM item WHERE qty > 4", "SELECT name FROM item WHERE qty > 5", False),
        ("SELECT name FROM item WHERE qty > 100", "SELECT name FROM item WHERE price > 100 AND id = 77", False),
        (
            "SELECT name, price FROM item WHERE price > 3 ORDER BY price",
            "SELECT name, price FROM item WHERE price > 3",
            False,
        ),
        ("SELECT MAX(qty) FROM item", "SELECT qty FROM item ORDER BY qty DESC LIMIT 1", True),
        ("SELECT SUM(qty) FROM item", "SELECT SUM(qty) FROM item WHERE qty > 0", False),
        ("SELECT id FROM item WHERE name = 'ink'", "SELECT id FROM item LIMIT 1 OFFSET 1", False),
        ("SELECT name FROM item WHERE id = 2", "SELECT 'ink' AS name FROM item LIMIT 1", False),
        ("UPDATE item SET qty = 1 WHERE qty > 4", "UPDATE item SET qty = 1 WHERE qty >= 5", True),
        ("UPDATE item SET qty = 1 WHERE qty > 4", "UPDATE item SET qty = 1 WHERE id IN (2, 3)", False),
        ("SELECT nothing FROM item", "SELECT name FROM item", None),
    ],
)
def test_luck_with_one_database_shows_on_others(planned, mine, same):
    assert agree(SHOP, StatementPair(planned, mine), "") is same


def test_tables_are_compared_as_the_question_asks():
    rows = [["pen", 4], ["ink", 9.0]]
    assert holds([[9, "x", "ink"], [4, "y", "pen"]], rows, ordered=False)
    assert not holds([["ink", 9], ["pen", 4]], rows, ordered=True)
    assert not holds([["pen", 9], ["ink", 4]], rows, ordered=False)
    assert not holds([*rows, ["pen", 4]], rows, ordered=False)
    same = [[1] * 40] * 3
    assert holds(same, same, ordered=True)
    assert not holds([[1] * 39 + [2]] * 3, same, ordered=False)


KEYWORDS = r"\b(SELECT|FROM|WHERE|ORDER BY|COUNT|AS|DELETE|UPDATE|INSERT INTO|SET|VALUES|DESC|LIMIT)\b"
RESPELT = {
    "semicolon": lambda sql: f"{sql};",
    "case": lambda sql: re.sub(KEYWORDS, lambda found: found[0].lower(), sql),
    "lines": lambda sql: sql.replace(" ", "\n", 1).replace(" WHERE", "\n  WHERE"),
    "quotes": lambda sql: re.sub(r"\b(name|id)\b(?=[ ,)])", r'"\1"', sql, count=1),
    "expression": lambda sql: f"WITH found AS ({sql}) SELECT * FROM found" if sql.startswith("SELECT") else sql,
}


@pytest.mark.parametrize("how", RESPELT)
def test_a_right_statement_is_right_however_it_is_spelt(how):
    for seed, arm in enumerate(arm for arm in Sql().arms if arm.tier is Tier.MODERATE):
        task = Sql().make(arm, seed, Split.TRAIN)
        script = [[[respelt(call, RESPELT[how]) for call in step] for step in turn] for turn in gold_script(task)]
        trajectory = played(task, script)
        for checker in (Outcome(), Stop(), Dataflow()):
            verdict = checker.check(task, trajectory)
            assert verdict.passed, (verdict.reason, script)


def respelt(call, change):
    return Call(name=call.name, arguments={k: change(v) if k == "sql" else v for k, v in call.arguments.items()})


def test_no_rows_prove_nothing():
    turns = "> Which items cost over 100?\nquery(sql='SELECT name FROM item WHERE price > 100')\n? []"
    task = read_task("none", turns, {"SQL": SHOP})
    right = act(task, "query(sql='select name from item where price > 100.0')\n= None.")
    wrong = act(task, "query(sql='SELECT name FROM item WHERE qty > 100')\n= None.")
    assert Outcome().check(task, right).passed
    assert not Outcome().check(task, wrong).passed
