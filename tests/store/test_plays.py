"""Owed work: nothing owed twice, nothing finished twice, a provider's failure no failure of the player."""

import pytest

from loop.errors import CheckNegative, FailureKind, NotFound
from loop.types import Call, Catalogue, End, Failure, Message, Purpose, Split, Standing


@pytest.fixture
def rnd(store, make):
    store.policies.add(make.policy, Standing.CHAMPION)
    return store.rounds.open("config", 0)


def owe(store, make, rnd, tasks=3, samples=2):
    made = [make.task(seed) for seed in range(tasks)]
    plays = [make.play(rnd, task, sample, policy=make.policy) for task in made for sample in range(samples)]
    store.plays.owe(rnd, made, plays)
    return made, plays


def test_owed_plays_come_back_whole_and_in_order(store, make, rnd):
    assert not store.plays.planned(rnd)
    _, plays = owe(store, make, rnd)
    assert store.plays.planned(rnd)
    assert store.plays.owed(rnd, Purpose.TRAIN) == plays
    assert store.plays.progress(rnd, Purpose.TRAIN) == (0, 6)


def test_owing_twice_is_owing_once(store, make, rnd):
    tasks, plays = owe(store, make, rnd)
    again = [play.model_copy(update={"id": f"other-{play.id}"}) for play in plays]
    store.plays.owe(rnd, tasks, plays)
    store.plays.owe(rnd, tasks, again)
    assert store.plays.owed(rnd, Purpose.TRAIN) == plays


def test_more_plays_can_be_owed_later(store, make, rnd):
    tasks, plays = owe(store, make, rnd)
    more = [make.play(rnd, tasks[0], player="scripted"), make.play(rnd, tasks[0], 9, policy=make.policy)]
    store.plays.owe(rnd, [], more)
    assert store.plays.owed(rnd, Purpose.TRAIN) == plays + more


def test_gate_plays_are_owed_apart(store, make, rnd):
    play = make.play(rnd, make.task(1, Split.HELDOUT), purpose=Purpose.GATE, policy=make.policy)
    store.plays.owe(rnd, [], [play])
    assert not store.plays.planned(rnd)
    assert store.plays.owed(rnd, Purpose.TRAIN) == []
    assert store.plays.owed(rnd, Purpose.GATE) == [play]


def test_a_finished_play_is_kept_whole(store, make, rnd):
    _, plays = owe(store, make, rnd)
    trajectory = make.trajectory(plays[0])
    assert store.plays.finish(plays[0], trajectory) == plays[0].id
    shown = store.trajectories.get(plays[0].id)
    assert (shown.task, shown.trajectory, shown.verdicts) == (plays[0].task, trajectory, ())
    assert store.plays.owed(rnd, Purpose.TRAIN) == plays[1:]
    assert store.plays.progress(rnd, Purpose.TRAIN) == (1, 6)


def test_the_first_trajectory_of_a_play_stays(store, make, rnd):
    _, plays = owe(store, make, rnd)
    first = make.trajectory(plays[0])
    store.plays.finish(plays[0], first)
    assert store.plays.finish(plays[0], make.trajectory(plays[0], end=End.CAP, messages=())) == plays[0].id
    store.plays.finish(plays[0], make.trajectory(plays[0], end=End.FAILED))
    assert store.trajectories.get(plays[0].id).trajectory == first


def test_a_failure_leaves_the_play_owed_until_its_attempts_are_spent(store, make, rnd):
    _, plays = owe(store, make, rnd, tasks=1, samples=1)
    failure = Failure(kind=FailureKind.QUOTA, message="wait", retry_at=5.5)
    failed = make.trajectory(plays[0], end=End.FAILED, failure=failure, messages=())
    for _ in range(2):
        assert store.plays.finish(plays[0], failed) is None
        assert store.plays.owed(rnd, Purpose.TRAIN) == plays
    store.plays.finish(plays[0], failed)
    assert store.plays.owed(rnd, Purpose.TRAIN) == []
    assert store.plays.progress(rnd, Purpose.TRAIN) == (1, 1)
    assert list(store.trajectories.unchecked(rnd, [("outcome", 1)])) == []
    assert store.verdicts.tallies(rnd) == []


def test_a_play_that_was_given_up_may_still_arrive(store, make, rnd):
    _, plays = owe(store, make, rnd, tasks=1, samples=2)
    store.plays.abandon(plays, "every teacher is parked")
    assert store.plays.owed(rnd, Purpose.TRAIN) == []
    store.plays.finish(plays[0], make.trajectory(plays[0]))
    assert store.trajectories.get(plays[0].id).trajectory.end is End.CLOSED


@pytest.mark.parametrize(
    "message",
    [
        Message(role="assistant", content="", calls=(Call(name="f", arguments={"x": float("nan")}),)),
        Message(role="assistant", content="", calls=(Call(name="f", arguments={"x": 2**70}),)),
        Message(role="tool", content="x" * 1_000_001),
        Message(role="assistant", content="", reasoning="x" * 1_000_001),
    ],
    ids=["not-a-number", "beyond-64-bits", "too-long", "too-much-reasoning"],
)
def test_what_no_database_can_hold_is_a_bad_answer_and_no_crash(store, make, rnd, message):
    _, plays = owe(store, make, rnd, tasks=1, samples=1)
    assert store.plays.finish(plays[0], make.trajectory(plays[0], messages=(message,))) is None
    assert store.plays.owed(rnd, Purpose.TRAIN) == plays
    assert store.plays.progress(rnd, Purpose.TRAIN) == (0, 1)


def test_a_catalogue_nested_too_deep_is_a_bad_answer_too(store, make, rnd):
    _, plays = owe(store, make, rnd, tasks=1, samples=1)
    deep: dict = {}
    for _ in range(80):
        deep = {"a": deep}
    tool = make.catalogue.tools[0].model_copy(update={"parameters": deep})
    assert store.plays.finish(plays[0], make.trajectory(plays[0], catalogue=Catalogue(tools=(tool,)))) is None


def test_nobody_finishes_a_play_that_is_not_owed(store, make, rnd):
    play = make.play(rnd, make.task(5), policy=make.policy)
    with pytest.raises(NotFound):
        store.plays.finish(play, make.trajectory(play))
    with pytest.raises(NotFound):
        store.plays.finish(play, make.trajectory(play, end=End.FAILED))


def test_a_leak_group_lies_in_one_split(store, make, rnd):
    owe(store, make, rnd)
    twin = make.task(0).model_copy(update={"split": Split.HELDOUT})
    with pytest.raises(CheckNegative, match="share a split"):
        store.plays.owe(rnd, [make.task(77), twin], [])
    with pytest.raises(NotFound):
        store.tasks.get(make.task(77).id)


def test_a_catalogue_and_a_prompt_are_stored_once(store, make, rnd):
    _, plays = owe(store, make, rnd)
    for play in plays:
        store.plays.finish(play, make.trajectory(play))
    with store.database.read() as connection:
        count = "select (select count(*) from catalogue), (select count(*) from prompt)"
        assert tuple(connection.exec_driver_sql(count).one()) == (1, 1)


def test_a_trajectory_is_found_by_the_beginning_of_its_id(store, make, rnd):
    _, plays = owe(store, make, rnd)
    for play in plays:
        store.plays.finish(play, make.trajectory(play))
    assert store.trajectories.get(plays[0].id[:-1]).id == plays[0].id
    with pytest.raises(NotFound, match="more than one"):
        store.trajectories.get("1-")
    for hostile in ("nope", "%", "1_train"):
        with pytest.raises(NotFound, match="no trajectory begins"):
            store.trajectories.get(hostile)


def test_many_plays_survive_the_limits_of_one_statement(store, make, rnd):
    tasks, plays = owe(store, make, rnd, tasks=700, samples=1)
    assert len(store.plays.owed(rnd, Purpose.TRAIN)) == len(plays) == 700
    for play in plays[:450]:
        store.plays.finish(play, make.trajectory(play, messages=()))
    missing = list(store.trajectories.unchecked(rnd, [("outcome", 1)]))
    assert [each for each, *_ in missing] == sorted(play.id for play in plays[:450])
    assert {task.id for _, task, *_ in missing} <= {task.id for task in tasks}
