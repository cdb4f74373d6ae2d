"""The views are the interface: every column documented, every example runs, and the numbers are right."""

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect

from loop.runtime import query
from loop.store import db
from loop.types import GatePart, Purpose, Split, Standing, Suite

DOCUMENT = Path(__file__).parents[2] / "docs" / "sql.md"


def documented():
    """Columns and example of each view, as docs/sql.md has them."""
    sections = re.split(r"^## (v_\w+)$", DOCUMENT.read_text().split("## What the database")[0], flags=re.MULTILINE)[1:]
    return {
        name: (
            re.findall(r"^\| (\w+) \|", text, flags=re.MULTILINE)[1:],
            re.findall(r"^    (select .*)$", text, flags=re.MULTILINE),
        )
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }


@pytest.fixture
def ask(url, store):
    with query.read_only(url) as asked:
        yield asked


def one(ask, statement):
    answer = ask(statement)
    assert len(answer.rows) == 1, answer
    return dict(zip(answer.columns, answer.rows[0], strict=True))


def test_every_view_is_documented_column_by_column(ask, url):
    engine = db.engine(url, write=False)
    with engine.connect() as connection:
        views = inspect(connection).get_view_names()
    engine.dispose()
    assert sorted(documented()) == sorted(views)
    for name, (columns, _) in documented().items():
        assert list(ask(f"select * from {name}").columns) == columns, name


def test_every_example_in_the_document_runs(ask, lived):
    for name, (_, examples) in documented().items():
        assert examples, name
        for example in examples:
            ask(example)


def test_v_rounds_counts_what_a_round_did(ask, lived):
    row = one(ask, "select * from v_rounds")
    assert row["round"] == lived.id
    assert (row["plays"], row["plays_owed"], row["plays_given_up"]) == (7, 1, 1)
    assert (row["student_plays"], row["student_accepted"], row["student_pass_rate"]) == (4, 3, 0.75)
    assert (row["teacher_plays"], row["teacher_accepted"]) == (1, 1)
    assert (row["dataset_rows"], row["decision"], row["decision_reason"]) == (4, "rejected", "inconclusive")
    assert row["cost_usd"] == 1.25
    assert re.fullmatch(r"2027-01-15T08:00:00\.1\d\dZ", row["started"])


def test_v_curriculum_shows_the_posterior_and_its_interval(ask, lived):
    row = one(ask, "select * from v_curriculum")
    assert row["arm"] == "Files/looking/easy"
    assert (row["pass_rate"], row["learnability"], row["teacher_share"]) == (0.75, 0.15, 0.25)
    assert row["low"] < row["pass_rate"] < row["high"]


def test_v_trajectories_and_their_parts(ask, lived):
    rows = ask("select trajectory, accepted, turns, calls, arm, started from v_trajectories order by trajectory").rows
    assert len(rows) == 5
    assert sum(accepted for _, accepted, *_ in rows) == 4
    assert {row[2:] for row in rows} == {
        (1, 1, "Files/looking/easy", "2027-01-15T08:00:00.000Z"),
        (1, 1, "Files+Trade/looking/easy", "2027-01-15T08:00:00.000Z"),
    }
    said = ask(f"select role, content from v_messages where trajectory = '{rows[0][0]}' order by place").rows
    assert said[0] == ("system", "You call tools.")
    assert said[-1] == ("assistant", "Done.")
    call = one(ask, f"select * from v_tool_calls where trajectory = '{rows[0][0]}'")
    assert (call["tool"], call["arguments"], call["ok"], call["result"]) == ("look", '{"at":"x"}', 1, '{"n": 1}')
    assert one(ask, "select count(*) as n, sum(passed) as passed from v_verdicts") == {"n": 10, "passed": 9}


def test_v_training_has_each_step_as_it_was_last_taken(ask, lived):
    row = one(ask, "select * from v_training")
    assert (row["round"], row["step"], row["steps"], row["loss"]) == (1, 1, 2, 2.0)
    assert (row["tokens_per_second"], row["batch_tokens"], row["heldout_loss"]) == (150.5, 4096, None)
    assert row["at"].endswith("Z")


def test_v_policies_v_gates_and_v_suites_tell_the_decision(ask, lived, make):
    rows = ask("select standing, decision, reason, dataset_rows from v_policies order by added").rows
    assert rows == [("champion", "first", "the stock model", None), ("rejected", "rejected", "inconclusive", 4)]
    assert ask("select gate, verdict, improved, paused from v_gates order by gate").rows == [
        ("breadth", "inconclusive", 0, 0),
        ("depth", "holds", 1, 1),
    ]
    rows = ask("select standing, tasks, tasks_scored, samples, pass_rate from v_suites order by standing").rows
    assert rows == [("champion", 2, 2, 2, 0.5), ("rejected", 2, 2, 2, 1.0)]


def part(name, rate, **more):
    figures = dict.fromkeys(("low", "high", "bound", "margin"), 0.0)
    told = {"champion_rate": 0.5, "candidate_rate": rate, "difference": rate - 0.5, "tasks": 9, "samples": 1, "look": 9}
    return GatePart(name=name, verdict="holds", **figures, **told, **more)


def test_v_gates_and_v_gate_parts_have_the_comparisons_of_the_latest_judgement(ask, lived, store, make):
    parts = (part("overall", 0.75), part("known words", 1.0), part("unseen families", 0.25, decides=False))
    store.gates.save(lived, make.gate("depth").model_copy(update={"parts": (*parts, part("TravelAPI", 0.5))}))
    store.gates.save(lived, make.gate("depth").model_copy(update={"parts": parts}))
    columns = "known_words_rate, known_words_difference, new_words_rate, unseen_families_difference, decides"
    assert ask(f"select {columns} from v_gates where gate = 'depth'").rows == [(1.0, 0.5, None, -0.25, 1)]
    rows = ask("select part, candidate_rate, tasks, decides, beside from v_gate_parts order by part").rows
    assert rows == [
        ("known words", 1.0, 9, 1, None),
        ("overall", 0.75, 9, 1, None),
        ("unseen families", 0.25, 9, 0, None),
    ]


def test_rows_that_a_training_left_out_are_counted_for_no_policy(ask, lived, store):
    dataset = store.datasets.of(lived)
    store.datasets.note_trained(dataset, dataset.rows[:1])
    assert ask("select dataset_rows from v_policies where adapter is not null").rows == [(1,)]
    assert ask("select distinct trained_rows from v_transfer").rows == [(1,)]
    assert ask("select dataset_rows from v_rounds").rows == [(4,)], "the round's dataset has them all"


def test_v_transfer_sets_trained_beside_evaluated(ask, lived):
    rows = ask(
        "select trained_backend, trained_rows, trained_share, evaluated_backend, tasks, pass_rate, difference"
        " from v_transfer order by 1, 4"
    ).rows
    assert rows == [
        ("Files", 4, 1.0, "Files", 2, 1.0, 0.5),
        ("Files", 4, 1.0, "Trade", 2, 1.0, 0.5),
        ("Trade", 3, 0.75, "Files", 2, 1.0, 0.5),
        ("Trade", 3, 0.75, "Trade", 2, 1.0, 0.5),
    ]


def test_v_tasks_and_v_datasets_tell_where_rows_come_from(ask, lived):
    rows = ask("select split, count(*), sum(flaws) from v_tasks group by split order by split").rows
    assert [(split, count, int(flaws)) for split, count, flaws in rows] == [("heldout", 2, 0), ("train", 2, 0)]
    row = one(ask, "select * from v_datasets")
    assert (row["round"], row["rows"], row["tasks"], row["student_rows"], row["teacher_rows"]) == (lived.id, 4, 2, 3, 1)
    assert (row["counts"], row["rules"]) == ("{}", "{}")


def test_v_spend_counts_an_open_call_at_its_reservation(ask, lived):
    row = one(ask, "select * from v_spend")
    assert (row["day"], row["calls"], row["calls_open"], row["calls_ok"]) == ("2027-01-15", 2, 1, 1)
    assert (row["cost_usd"], row["cost_usd_reserved"]) == (1.25, 1.0)


def test_plays_outside_any_round_are_no_round(ask, store, make):
    play = make.play(store.rounds.get(0), make.task(3, Split.HELDOUT), purpose=Purpose.GATE, player="scripted")
    store.plays.owe(store.rounds.get(0), [], [play])
    store.plays.finish(play, make.trajectory(play))
    assert ask("select * from v_rounds").rows == []
    assert one(ask, "select round from v_trajectories") == {"round": 0}


def test_a_play_on_a_suite_with_checkers_of_its_own_is_accepted_by_those(ask, store, make):
    store.verdicts.require([("outcome", 1)])
    store.policies.add(make.policy, Standing.CHAMPION)
    suite = store.suites.save(Suite(name="written", tasks=tuple(make.task(seed, Split.HELDOUT) for seed in (50, 51))))
    outside, won = store.rounds.get(0), {task.id: number for number, task in enumerate(suite.tasks)}
    for task in suite.tasks:
        play = make.play(outside, task, policy=make.policy, purpose=Purpose.GATE, suite=suite.id)
        store.plays.owe(outside, [], [play])
        store.plays.finish(play, make.trajectory(play))
        store.verdicts.record(play.id, [make.verdict("written", 3, won[task.id])], [("written", 3)])
    store.verdicts.require([("outcome", 2)])
    for view in ("v_trajectories", "v_tool_calls"):
        assert sorted(row[0] for row in ask(f"select accepted from {view}").rows) == [0, 1], view
    rates = {rate.backend: (rate.plays, rate.wins) for rate in store.verdicts.rates(outside, Purpose.GATE)}
    assert rates == {"Files": (2, 1), "Trade": (2, 1)}
