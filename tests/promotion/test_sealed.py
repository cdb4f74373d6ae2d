"""Sealed twins: a promotion opens them, once, nothing else does, and a kill in the middle changes nothing."""

import os
import signal
import sqlite3

import pytest

from loop.testing import killing
from loop.types import Novelty
from task_generators.suites import suite

SEALED = {"gating": {"sealed": 1}}
OUTCOME = (
    "select gate, candidate, champion, verdict, difference, tasks from gate_result order by gate",
    "select suite, policy, round from opening order by suite",
    "select subject, suite, task, sample, passed from score order by subject, suite, task, sample",
    "select round, candidate, decision from promotion order by id",
    "select backends, family, tier, alpha, beta from arm order by backends, family, tier",
)


def trained(name):
    return sum(task.novelty is not Novelty.FAMILY for task in suite(name).tasks)


def outcome(rehearsal):
    with sqlite3.connect(rehearsal.places.data / "loopd.db") as connection:
        return [connection.execute(query).fetchall() for query in OUTCOME]


def openings(rehearsal):
    return rehearsal.json("sql", "select suite, round from v_openings order by suite, round")["rows"]


def test_a_promotion_opens_the_twins_once_and_shows_what_they_said(rehearsal):
    now = rehearsal.live(**SEALED)
    gates = rehearsal.json("sql", "select gate, tasks, reason from v_gates order by gate")["rows"]
    assert [row["gate"] for row in gates] == ["breadth", "breadth-sealed", "depth", "depth-sealed"]
    assert gates[3]["reason"].startswith("sealed twin: depth")
    assert gates[3]["tasks"] == trained("rehearsal-depth-sealed")
    assert {result.gate for result in now.gates} >= {"depth-sealed"}
    assert "depth-sealed" in rehearsal.loopd("gate", "show")
    opened = openings(rehearsal)
    assert opened == [
        {"suite": "rehearsal-breadth-sealed", "round": 1},
        {"suite": "rehearsal-depth-sealed", "round": 1},
    ]
    rehearsal.live(**SEALED)
    assert openings(rehearsal) == opened, "nobody was promoted"


def test_without_the_setting_they_stay_closed_and_no_command_opens_them(rehearsal):
    rehearsal.live()
    assert openings(rehearsal) == []
    said = rehearsal.loopd("suite", "run", "rehearsal-depth-sealed", "--player", "scripted", code=1)
    assert "only a promotion opens it" in said


def test_a_dataset_shows_what_it_was_audited_against_and_the_ledger_can_be_asked(rehearsal):
    rehearsal.live()
    dataset = rehearsal.json("dataset", "list")["rows"][0]["dataset"]
    told = {row["what"]: row["value"] for row in rehearsal.json("dataset", "show", dataset)["rows"]}
    suites = [suite(f"rehearsal-{name}{twin}") for name in ("depth", "breadth") for twin in ("", "-sealed")]
    assert told["audited_against"] == sum(len(each.tasks) for each in suites)
    assert told["leaked"] == 0


def test_a_task_noted_as_unsound_leaves_the_score_and_can_be_brought_back(rehearsal):
    rehearsal.live()
    task = suite("rehearsal-depth").tasks[0].id
    note = ("rehearsal-depth", task[:16], "--note", "two right answers")
    rehearsal.loopd("suite", "flaw", *note)
    shown = rehearsal.json("suite", "show", "rehearsal-depth")
    assert (shown["tasks"], shown["sound"], shown["ceiling"]) == (10, 9, 1)
    assert shown["flaws"][0]["note"] == "two right answers"
    ledger = "select sum(1 - sound) as unsound, count(*) as tasks from v_ledger where suite = 'rehearsal-depth'"
    assert rehearsal.json("sql", ledger)["rows"] == [{"unsound": 1, "tasks": 10}]
    rehearsal.live()
    judged = rehearsal.json("sql", "select tasks from v_gates where round = 2 and gate = 'depth'")["rows"]
    assert [row["tasks"] for row in judged] in ([trained("rehearsal-depth") - 1], [])
    rehearsal.loopd("suite", "flaw", *note, "--withdraw")
    assert rehearsal.json("suite", "show", "rehearsal-depth")["sound"] == 10


@pytest.mark.fault
@pytest.mark.parametrize("back", [4, 40])
def test_killed_while_the_twins_are_played_it_ends_the_same(rehearsal, tmp_path_factory, monkeypatch, back):
    store = killing(rehearsal.places.database, 0, "before")
    rehearsal.live(store=store, **SEALED)
    expected, again = outcome(rehearsal), type(rehearsal)
    home = tmp_path_factory.mktemp("again")
    monkeypatch.setenv("LOOPD_HOME", str(home))
    monkeypatch.chdir(home)
    second = again(home)
    child = os.fork()
    if not child:
        second.live(store=killing(second.places.database, store.database.commits - back, "after"), **SEALED)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(outcome(second)[2]) < len(expected[2]) or back == 4, "in the midst of the plays"
    second.live(**SEALED)
    assert outcome(second) == expected


def test_a_start_with_a_gate_that_cannot_be_passed_ends_with_78_and_what_to_type(rehearsal, monkeypatch):
    monkeypatch.setenv("LOOPD_RULE", '{ name = "short", steps_per_turn = 1 }')
    said = rehearsal.loopd("start", "--foreground", code=1)
    assert "cannot be a gate: only 4 of its 10 sound tasks can be passed (40.0%)" in said
    assert "LOOPD_GATING__MIN_CEILING=0.4" in said


def test_an_external_suite_is_played_at_a_promotion_reported_and_decides_nothing(rehearsal):
    external = {"gating": {"external": ["bfcl-multiple"]}}
    rehearsal.live(**external)
    rows = rehearsal.json("sql", "select gate, decides, tasks, samples, reason from v_gates order by gate")["rows"]
    assert [row["gate"] for row in rows] == ["bfcl-multiple-external", "breadth", "depth"]
    assert (rows[0]["decides"], rows[0]["samples"]) == (0, 1)
    assert rows[0]["tasks"] == len(suite("bfcl-multiple").tasks)
    assert rows[0]["reason"].startswith("external: ")
    card = (rehearsal.places.policies / rehearsal.json("model", "list")["rows"][-1]["policy"] / "README.md").read_text()
    assert "bfcl-multiple-external" in card
    plays = "select count(*) as n from v_trajectories where suite = 'bfcl-multiple'"
    before = rehearsal.json("sql", plays)["rows"]
    rehearsal.live(**external)
    assert rehearsal.json("sql", plays)["rows"] == before == [{"n": 2 * rows[0]["tasks"]}], "nobody was promoted"


def test_an_external_suite_that_there_is_not_is_refused_at_the_start(rehearsal, monkeypatch):
    monkeypatch.setenv("LOOPD_GATING__EXTERNAL", '["breadth-25"]')
    said = rehearsal.loopd("start", "--foreground", code=1)
    assert "gating.external: there is no suite 'breadth-25'" in said
    assert "breadth-52" in said
