"""One raw answer, three findings: spelt alike, finds the same, nothing around it."""

import pytest

from checkers.sql_match import SqlMatch, statement_in
from loop.types import Call, End, Message, Split, Task, Tier, Trajectory, Turn

GOLD = "SELECT name FROM people WHERE age > 30 ORDER BY age"
SCHEMA = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);"
ROWS = [[1, "Ann", 31], [2, "Bob", 29], [3, "Cy", 54]]


def task(gold=GOLD, also=(), rows=ROWS, tools=()):
    return Task(
        generator="x", family="x", tier=Tier.EASY, seed=1, backends=("SQL",), tools=tools, split=Split.HELDOUT,
        initial={"SQL": {"schema": SCHEMA, "rows": {"people": rows}}}, leak_group="x",
        turns=(Turn(user="Who is over 30, youngest first?", closing=gold, answer=also),),
    )  # fmt: skip


def judged(answer, checker=None, **changes):
    asked = task(**changes)
    said = Message(role="assistant", content=answer)
    played = Trajectory(task=asked.id, player="x", messages=(said,), end=End.CLOSED)
    return (checker or SqlMatch()).check(asked, played)


def found(verdict):
    return {name for name, held in verdict.evidence.items() if held}


@pytest.mark.parametrize(
    ("answer", "held", "passed"),
    [
        (GOLD, {"exact", "execution", "clean"}, True),
        ('select "name" from people where age>30 order by age ;', {"exact", "execution", "clean"}, True),
        ("SELECT p.name FROM people p WHERE NOT p.age <= 30 ORDER BY p.age ASC", {"execution", "clean"}, True),
        ("WITH o AS (SELECT * FROM people WHERE age>30) SELECT name FROM o ORDER BY age", {"execution", "clean"}, True),
        (f"```sql\n{GOLD}\n```", {"exact", "execution"}, False),
        (f"Here you are: {GOLD};", {"exact", "execution"}, False),
        (f"{GOLD} -- the oldest last", {"exact", "execution"}, False),
        (f"{GOLD}; That is all.", {"exact", "execution"}, False),
        (f"{GOLD}; {GOLD}", {"exact", "execution"}, False),
        ("SELECT name FROM people WHERE age > 30 ORDER BY age DESC", {"clean"}, False),
        ("SELECT name FROM people WHERE id IN (1, 3) ORDER BY age", {"clean"}, False),
        ("SELECT nobody FROM people", {"clean"}, False),
        ("SELECT name FROM nowhere", {"clean"}, False),
        ("SELECT name FROM people WHERE", set(), False),
        ("DELETE FROM people", set(), False),
        ("Select the people over 30.", set(), False),
        ("I cannot do that.", set(), False),
        ("", set(), False),
        ("PRAGMA table_info(people)", set(), False),
        ("SELECT load_extension('x')", {"clean"}, False),
    ],
)  # fmt: skip
def test_spelling_execution_and_cleanness_are_told_apart(answer, held, passed):
    verdict = judged(answer)
    assert (found(verdict), verdict.passed) == (held, passed), verdict.reason


def test_a_data_sets_own_rule_looks_at_the_rows_at_hand_and_forgives_what_stands_around():
    lenient = SqlMatch(clean=False, elsewhere=False)
    assert judged(f"Sure!\n```sql\n{GOLD}\n```", lenient).passed
    assert judged("SELECT name FROM people WHERE id IN (1, 3) ORDER BY age", lenient).passed
    assert not judged("SELECT name FROM people ORDER BY age", lenient).passed


def test_any_accepted_statement_will_do():
    also = ("SELECT id FROM people WHERE age > 30",)
    assert judged("SELECT id FROM people WHERE 30 < age", also=also).passed
    assert not judged("SELECT age FROM people WHERE 30 < age", also=also).passed


def test_two_empty_answers_are_no_proof():
    none = [[1, "Ann", 3]]
    lenient = SqlMatch(clean=False, elsewhere=False)
    assert not judged("SELECT name FROM people WHERE age > 90", lenient, rows=none).passed
    assert judged("SELECT name FROM people WHERE age >= 31 ORDER BY age", lenient, rows=none).passed


def test_a_task_with_tools_or_without_a_statement_is_none_of_its_business():
    assert judged("anything", tools=("query",)).passed
    assert judged("anything", gold="Done.").passed


def test_a_call_is_no_answer():
    asked = task()
    called = Message(role="assistant", content="", calls=(Call(name="query", arguments={"sql": GOLD}),))
    for messages in ((called,), ()):
        assert (
            not SqlMatch().check(asked, Trajectory(task=asked.id, player="x", messages=messages, end=End.CLOSED)).passed
        )


@pytest.mark.parametrize(
    "answer", ["SELECT " * 50_000, "SELECT 1" + " UNION SELECT 1" * 2_000, "\0", "SELECT '\ud800'", "`" * 9_000]
)
def test_whatever_is_answered_is_judged_in_bounded_time(answer):
    assert not judged(answer).passed


def test_a_statement_that_never_ends_is_stopped():
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    assert not judged(endless).passed


@pytest.mark.parametrize(
    ("raw", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("the query: SELECT ';' ; more", "SELECT ';'"),
        ("```\nselect 2\n```", "select 2"),
        ("withdraw it", ""),
        ("", ""),
    ],
)
def test_the_statement_is_found_within_an_answer(raw, statement):
    assert statement_in(raw) == statement
