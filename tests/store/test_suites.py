"""Suites are frozen by digest; a score counts under its fingerprint only."""

import pytest
from sqlalchemy.exc import IntegrityError

from loop.store.soundness import Flaw
from loop.types import Purpose, Score, Split, Standing, Suite


@pytest.fixture
def rnd(store, make):
    store.policies.add(make.policy, Standing.CHAMPION)
    return store.rounds.open("config", 0)


@pytest.fixture
def suite(make):
    return Suite(name="files", tasks=tuple(make.task(seed, Split.HELDOUT) for seed in (5, 3, 9)))


def test_a_suite_keeps_its_tasks_in_order(store, suite):
    assert store.suites.newest("files") is None
    store.suites.save(suite)
    store.suites.save(suite)
    assert store.suites.newest("files") == suite
    assert store.suites.newest("files").id == suite.id


def test_the_newest_suite_of_a_name_is_found(store, suite, make):
    newer = Suite(name="files", tasks=(*suite.tasks, make.task(20, Split.SEALED)))
    store.suites.save(suite)
    store.suites.save(newer)
    assert store.suites.newest("files") == newer


def test_a_suite_takes_no_training_task(store, make):
    with pytest.raises(IntegrityError, match="held-out and sealed"):
        store.suites.save(Suite(name="bad", tasks=(make.task(1),)))
    assert store.suites.newest("bad") is None


def scores(suite, sample=0, *, passed=True):
    return [
        Score(
            task=task.id,
            backends=task.backends,
            family=task.family,
            tier=task.tier,
            sample=sample,
            passed=passed,
            measures={"tokens": 3.0},
        )
        for task in suite.tasks
    ]


def test_scores_come_back_under_their_fingerprint_only(store, make, suite, rnd):
    store.suites.save(suite)
    store.suites.save_scores(make.policy.id, suite.id, "one", scores(suite))
    store.suites.save_scores(make.policy.id, suite.id, "one", scores(suite, passed=False))
    store.suites.save_scores(make.policy.id, suite.id, "two", scores(suite, sample=1, passed=False))
    by_task = sorted(scores(suite), key=lambda score: score.task)
    assert store.suites.scores(make.policy.id, suite.id, "one") == by_task
    assert [score.passed for score in store.suites.scores(make.policy.id, suite.id, "two")] == [False] * 3
    assert store.suites.scores(make.policy.id, suite.id, "three") == []


def test_a_teacher_is_scored_by_its_name(store, suite, rnd):
    store.suites.save(suite)
    store.suites.save_scores("scripted", suite.id, "one", scores(suite))
    assert len(store.suites.scores("scripted", suite.id, "one")) == 3


def test_a_round_s_plays_on_a_suite_are_scored_once_they_are_judged(store, make, suite, rnd):
    store.suites.save(suite)
    plays = [make.play(rnd, task, policy=make.policy, purpose=Purpose.GATE, suite=suite.id) for task in suite.tasks]
    store.plays.owe(rnd, suite.tasks, plays)
    for play in plays:
        store.plays.finish(play, make.trajectory(play))
    store.verdicts.record(plays[0].id, [make.verdict("outcome"), make.verdict("stop")])
    store.verdicts.record(plays[1].id, [make.verdict("outcome"), make.verdict("stop", passed=False)])
    store.verdicts.record(plays[2].id, [make.verdict("outcome")])
    for _ in range(2):
        store.suites.score(rnd, suite.id, "mark", make.required)
    found = {score.task: score for score in store.suites.scores(make.policy.id, suite.id, "mark")}
    assert {task: score.passed for task, score in found.items()} == {plays[0].task.id: True, plays[1].task.id: False}
    assert found[plays[0].task.id].measures == {"tokens": 3, "steps": 2}
    store.verdicts.record(plays[2].id, [make.verdict("stop")])
    store.suites.score(rnd, suite.id, "mark", make.required)
    assert len(store.suites.scores(make.policy.id, suite.id, "mark")) == 3


def test_openings_of_a_sealed_suite_are_counted_once_each(store, make, suite, rnd):
    store.suites.save(suite)
    for _ in range(2):
        store.openings.note(rnd, suite.id, make.policy.id)
    assert store.openings.count(suite.id) == 1


def test_the_soundness_ledger_keeps_each_finding_once(store, make, suite):
    store.suites.save(suite)
    flaw = Flaw(task=suite.tasks[0].id, kind="ambiguous", source="codex", note="two right answers")
    store.soundness.note(flaw)
    store.soundness.note(flaw.model_copy(update={"note": "three right answers"}))
    assert [each.note for each in store.soundness.flaws()] == ["three right answers"]
