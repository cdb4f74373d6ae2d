"""Verdicts: owed at every checker's version, kept once, and what they add up to."""

from collections import Counter

import pytest

from loop.types import Dataset, Purpose, Split, Standing, Turn


@pytest.fixture
def rnd(store, make):
    store.policies.add(make.policy, Standing.CHAMPION)
    return store.rounds.open("config", 0)


@pytest.fixture
def played(store, make, rnd):
    tasks = [make.task(0, backends=("Files",)), make.task(1)]
    plays = [make.play(rnd, task, sample, policy=make.policy) for task in tasks for sample in range(3)]
    plays += [make.play(rnd, task, player="scripted") for task in tasks]
    store.plays.owe(rnd, tasks, plays)
    for play in plays:
        store.plays.finish(play, make.trajectory(play))
    return plays


def judge(store, make, play, *passed, version=1):
    names = ("outcome", "stop")
    store.verdicts.record(
        play.id, [make.verdict(name, version, each) for name, each in zip(names, passed, strict=False)]
    )


def test_every_checker_owes_a_verdict_until_it_gave_one(store, make, rnd, played):
    missing = {each: names for each, _, _, names in store.trajectories.unchecked(rnd, make.required)}
    assert missing == {play.id: ("outcome", "stop") for play in played}
    judge(store, make, played[0], True)
    judge(store, make, played[1], True, True)
    missing = {each: names for each, _, _, names in store.trajectories.unchecked(rnd, make.required)}
    assert missing[played[0].id] == ("stop",)
    assert played[1].id not in missing


def test_a_new_version_of_a_checker_owes_new_verdicts(store, make, rnd, played):
    for play in played:
        judge(store, make, play, True, True)
    assert list(store.trajectories.unchecked(None, make.required)) == []
    newer = [("outcome", 2), ("stop", 1)]
    assert [names for *_, names in store.trajectories.unchecked(rnd, newer)] == [("outcome",)] * len(played)
    assert list(store.trajectories.accepted(newer)) == []


def test_a_verdict_is_kept_once(store, make, rnd, played):
    judge(store, make, played[0], True, True)
    judge(store, make, played[0], False, False)
    assert [verdict.passed for verdict in store.trajectories.get(played[0].id).verdicts] == [True, True]


def test_verdicts_come_back_whole(store, make, played):
    verdict = make.verdict(passed=False, evidence={"turn": 1, "from": [{"a": None}], "x": 0.5})
    store.verdicts.record(played[0].id, [verdict])
    assert store.trajectories.get(played[0].id).verdicts == (verdict,)


def test_accepted_means_that_every_required_checker_passed_it(store, make, rnd, played):
    judge(store, make, played[0], True, True)
    judge(store, make, played[1], True, False)
    judge(store, make, played[2], True)
    assert [each.id for each in store.trajectories.accepted(make.required)] == [played[0].id]
    assert {each.id for each in store.trajectories.accepted([("outcome", 1)])} == {play.id for play in played[:3]}
    accepted = next(store.trajectories.accepted(make.required))
    assert (accepted.task, accepted.trajectory) == (played[0].task, make.trajectory(played[0]))


def test_accepted_can_be_narrowed(store, make, rnd, played):
    for play in played:
        judge(store, make, play, True, True)
    assert len(list(store.trajectories.accepted(make.required))) == 8
    assert len(list(store.trajectories.accepted(make.required, limit=3))) == 3
    assert {each.trajectory.player for each in store.trajectories.accepted(make.required, players=["scripted"])} == {
        "scripted"
    }
    assert list(store.trajectories.accepted(make.required, since=rnd.id + 1)) == []


def test_the_required_checkers_decide_what_counts(store, make, rnd, played):
    for play in played:
        judge(store, make, play, True, False)
    assert all(tally.student_wins == 0 for tally in store.verdicts.tallies(rnd))
    store.verdicts.require([("outcome", 1)])
    assert [tally.student_wins for tally in store.verdicts.tallies(rnd)] == [3, 3]
    store.verdicts.require([("outcome", 2)])
    assert all(tally.student_wins == 0 for tally in store.verdicts.tallies(rnd))
    judge(store, make, played[0], True, version=2)
    assert sum(tally.student_wins for tally in store.verdicts.tallies(rnd)) == 1


def test_tallies_tell_student_from_teacher(store, make, rnd, played):
    for play in played[:4] + played[6:7]:
        judge(store, make, play, True, True)
    tallies = {tally.task: tally for tally in store.verdicts.tallies(rnd)}
    first, second = tallies[played[0].task.id], tallies[played[3].task.id]
    assert (first.student_plays, first.student_wins, first.teacher_plays, first.teacher_wins) == (3, 3, 1, 1)
    assert (second.student_plays, second.student_wins, second.teacher_plays, second.teacher_wins) == (3, 1, 1, 0)
    assert second.arm == played[3].task.arm


def test_rates_count_a_task_of_two_backends_for_both(store, make, rnd, played):
    judge(store, make, played[3], True, True)
    rates = {(rate.backend, rate.player): (rate.plays, rate.wins) for rate in store.verdicts.rates(rnd)}
    assert rates[("Files", "student")] == (6, 1)
    assert rates[("Trade", "student")] == (3, 1)
    assert rates[("Trade", "scripted")] == (1, 0)


def test_held_out_and_gate_plays_are_never_accepted(store, make, rnd, played):
    held = make.play(rnd, make.task(50, Split.HELDOUT), policy=make.policy)
    gate = make.play(rnd, make.task(0, backends=("Files",)), purpose=Purpose.GATE, policy=make.policy)
    store.plays.owe(rnd, [], [held, gate])
    for play in (held, gate):
        store.plays.finish(play, make.trajectory(play))
        judge(store, make, play, True, True)
    assert list(store.trajectories.accepted(make.required)) == []


def test_a_dataset_keeps_its_rows_in_order(store, make, rnd, played):
    rows = tuple(play.id for play in reversed(played))
    dataset = Dataset(id="d" * 64, rows=rows, counts={"too long": 2}, rules={"share": 0.5, "which": ["a"]})
    assert store.datasets.of(rnd) is None
    assert store.datasets.save(rnd, dataset) == dataset
    store.datasets.save(rnd, dataset)
    assert store.datasets.of(rnd) == store.datasets.get(dataset.id) == dataset
    assert [each.id for each in store.datasets.rows(dataset.id)] == list(rows)


def test_a_dataset_may_be_empty(store, rnd):
    dataset = Dataset(id="e" * 64, rows=(), counts={}, rules={})
    store.datasets.save(rnd, dataset)
    assert store.datasets.of(rnd) == dataset
    assert list(store.datasets.rows(dataset.id)) == []


@pytest.mark.parametrize(("split", "purpose"), [("heldout", "train"), ("sealed", "train"), ("train", "gate")])
def test_the_database_itself_keeps_other_plays_out_of_a_dataset(store, make, rnd, split, purpose):
    play = make.play(rnd, make.task(3, Split(split)), policy=make.policy, purpose=Purpose(purpose))
    store.plays.owe(rnd, [], [play])
    store.plays.finish(play, make.trajectory(play))
    dataset = Dataset(id="f" * 64, rows=(play.id,), counts={}, rules={})
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.datasets.save(rnd, dataset)
    assert store.datasets.of(rnd) is None
    columns, values = "dataset, place, trajectory, split, purpose", f"'d', 0, '{play.id}', '{split}', '{purpose}'"
    lie = f"insert into dataset_row ({columns}) values ({values})"
    with pytest.raises(Exception, match=r"(?i)check constraint"), store.database.write() as connection:
        connection.exec_driver_sql("insert into dataset values ('d', 1, '{}', '{}', 0)")
        connection.exec_driver_sql(lie)


def test_turns_are_right_up_to_the_first_that_a_verdict_names(store, make, rnd):
    turns = tuple(Turn(user=f"Do {number}.") for number in range(3))
    tasks = [make.task(0).model_copy(update={"turns": turns}), make.task(1)]
    plays = [make.play(rnd, tasks[0], sample, policy=make.policy) for sample in range(4)]
    plays.append(make.play(rnd, tasks[1], player="scripted"))
    store.plays.owe(rnd, tasks, plays)
    for play in plays:
        store.plays.finish(play, make.trajectory(play))
    right, wrong, unnamed, unjudged, taught = plays
    judge(store, make, right, True, True)
    judge(store, make, taught, True, True)
    judge(store, make, unnamed, False, True)
    verdicts = (("outcome", {"turn": 3}), ("stop", {"turn": 2}))
    store.verdicts.record(
        wrong.id, [make.verdict(name, passed=False, evidence=evidence) for name, evidence in verdicts]
    )
    asked = Counter((each.turn.user, each.right) for each in store.trajectories.asked(make.policy.id))
    assert asked == {("Do 0.", True): 2, ("Do 1.", True): 1, ("Do 1.", False): 1, ("Do 2.", True): 1}
    assert unjudged.id not in {each.id for each in store.trajectories.accepted(make.required)}
