"""What both pools promise: every play comes back exactly once, and nothing that a play does ends the others."""

import signal
import time
from contextlib import closing
from itertools import count, islice

import pytest

from loop import plugins
from loop.errors import FailureKind
from loop.rollout import play as rollout
from loop.types import End, Part, Play


@pytest.fixture
def staged():
    import staged  # noqa: PLC0415 - on the path by a session fixture

    return staged.staged


def test_every_play_comes_back_exactly_once_with_its_own_trajectory(pool, staged):
    plays = [staged(number) for number in range(200)]
    outcomes = [*pool.run(plays)]
    assert sorted(play.id for play, _ in outcomes) == sorted(play.id for play in plays)
    for play, trajectory in outcomes:
        assert trajectory.task == play.task.id
        assert trajectory.sample == play.sample
        assert trajectory.messages[0].content == f"{play.task.seed} é \U0001f600\n"
        assert trajectory.messages[0].tokens == (1, 2)
        assert trajectory.end is End.CLOSED


def test_no_plays_is_no_work(pool):
    assert [*pool.run([])] == []


def test_plays_are_read_only_as_far_as_workers_are_free(pool, staged):
    read = count()
    endless = (staged(next(read)) for _ in iter(int, 1))
    with closing(pool.run(endless)) as outcomes:
        assert len([*islice(outcomes, 20)]) == 20
    assert next(read) <= 20 + 8


def test_plays_run_side_by_side_and_come_as_they_finish(pool, staged):
    assert len([*pool.run(staged(number) for number in range(16))]) == 16, "every worker is up"
    plays = [staged(0, "sleep 1.5"), *(staged(number, "sleep 0.6") for number in range(1, 8))]
    began = time.monotonic()
    order = [play.task.seed for play, _ in pool.run(plays)]
    assert order[-1] == 0
    assert time.monotonic() - began < 4.0, "one after the other they take 5.7 s"


@pytest.mark.parametrize(
    ("does", "kind", "says"),
    [
        ("raise nonsense", FailureKind.LOST, "ValueError: nonsense"),
        ("leave", FailureKind.LOST, "SystemExit: 7"),
        ("refuse teacher", FailureKind.FATAL, "teacher"),
    ],
)
def test_what_escapes_from_a_play_is_recorded_on_it_and_spares_the_others(pool, staged, does, kind, says):
    plays = [staged(0, does), *(staged(number) for number in range(1, 10))]
    found = {play.task.seed: trajectory for play, trajectory in pool.run(plays)}
    assert len(found) == 10
    assert (found[0].end, found[0].failure.kind, found[0].failure.message) == (End.FAILED, kind, says)
    assert all(found[number].end is End.CLOSED for number in range(1, 10))


def test_closing_gives_up_what_is_in_flight_and_the_pool_goes_on(pool, staged):
    outcomes = pool.run([staged(0), *(staged(number, "sleep 120") for number in range(1, 8))])
    assert next(outcomes)[0].task.seed == 0
    began = time.monotonic()
    outcomes.close()
    again = [play.task.seed for play, _ in pool.run([staged(number) for number in range(100, 110)])]
    assert sorted(again) == [*range(100, 110)]
    assert time.monotonic() - began < 100, "the plays given up would have taken 120 s"


def test_a_real_play_is_the_same_in_a_pool_as_by_itself(pool):
    generator = plugins.load("task_generators", Part(use="files"))
    plays = [scripted(generator.make(arm, seed)) for arm in generator.arms for seed in (1, 2)]
    for play, trajectory in pool.run(plays):
        assert same(trajectory) == same(rollout.play(play))
        assert trajectory.end is End.CLOSED


def scripted(task):
    return Play(id=task.id, round=1, task=task, player=Part(use="scripted"), player_name="scripted")


def same(trajectory):
    """Everything but the clock."""
    return trajectory.model_copy(update={"started": 0, "seconds": 0.0})


class Asked(BaseException):
    """Somebody pressed Ctrl-C."""


@pytest.mark.slow
@pytest.mark.fault
def test_a_signal_interrupts_the_wait_and_the_pool_goes_on(pool, staged):
    def ask(*_):
        raise Asked

    before = signal.signal(signal.SIGALRM, ask)
    outcomes = pool.run([staged(0), *(staged(number, "sleep 30") for number in range(1, 8))])
    next(outcomes)
    try:
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Asked):
            next(outcomes)
        assert time.monotonic() - began < 10.0
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len([*pool.run(staged(number) for number in range(10))]) == 10
