"""In a round, a play that has failed is not played on, but where a gate measures how much was said."""

import tomllib

import pytest

GATES = tomllib.loads("""
max_samples = 1
gates = [
  { use = "depth", settings = { suite = "rehearsal-depth" } },
  { use = "breadth", settings = { suite = "rehearsal-breadth" } },
  { use = "retention", settings = { suite = "maths-easy", margin = 0.5, category_margin = 0.9, limits = {} } },
]
""")


@pytest.fixture
def begun(rehearsal):
    """Of the student's failed plays of tasks of two turns, by suite (None in training): turns that were begun."""

    def ask(query):
        return rehearsal.json("sql", query)["rows"]

    def played():
        two = {row["task"] for row in ask("select task from v_tasks where turns = 2")}
        failed = ask("select suite, turns, task from v_trajectories where player = 'student' and accepted = 0")
        found = {}
        for row in failed:
            if row["task"] in two:
                found.setdefault(row["suite"], set()).add(row["turns"])
        return found

    return played


def test_a_round_plays_a_failed_play_no_further_and_gates_that_measure_lengths_see_whole_plays(rehearsal, begun):
    rehearsal.live(gating=GATES)
    assert begun() == {None: {1}, "rehearsal-depth": {1}, "rehearsal-breadth": {1}, "maths-easy": {2}}


def test_a_reader_is_told_why_a_play_is_short(rehearsal):
    rehearsal.live()
    plays = rehearsal.json(
        "sql",
        "select p.trajectory, p.turns < t.turns as short from v_trajectories p join v_tasks t using (task)",
    )["rows"]
    shown = {play["short"]: rehearsal.loopd("trajectory", "show", play["trajectory"]) for play in plays}
    assert {short: "not played on" in text for short, text in shown.items()} == {0: False, 1: True}


def test_plays_are_whole_where_the_user_wants_them_so(rehearsal, begun):
    rehearsal.live(gating=GATES, plays={"stop_doomed": False})
    assert set().union(*begun().values()) == {2}
