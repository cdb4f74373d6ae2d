"""While a round trains, teachers play the next round's lessons; nothing is played twice, whatever is killed."""

import os
import signal
import sqlite3
import time

import pytest

from loop import config, daemon, parts
from loop.control import progress
from loop.control.stopwatch import Stopwatch
from loop.runtime.signals import Stopped, StopRequest
from loop.testing import FakeGpu
from loop.types import RoundState

OUTCOME = {
    "rounds": "select id, state, reason, candidate, dataset from round where id > 0",
    "plays": "select round, purpose, task, player, policy, sample, state from play order by id",
    "trajectories": "select id, player, passed, calls, digest from trajectory order by id",
    "verdicts": "select trajectory, checker, version, passed from verdict order by trajectory, checker",
    "arms": "select backends, family, tier, alpha, beta, plays, wins from arm order by backends, family, tier",
}
LESSONS = "select count(*) from trajectory where round = 2 and policy is null"
JUDGED = f"{LESSONS} and passed is not null"


class Training(FakeGpu):
    """Trains until so many lessons of the next round are judged, or is killed or stopped then."""

    def __init__(self, places, lessons, then=None):
        self.places, self.lessons, self.then, self.saw = places, lessons, then, 0

    def training(self, job):
        deadline = time.monotonic() + 30
        while self.lessons and count(self.places, JUDGED) < self.lessons and time.monotonic() < deadline:
            time.sleep(0.01)
        self.saw = max(self.saw, count(self.places, JUDGED))
        if self.then and self.saw:
            self.then()
        yield from super().training(job)


def count(places, query):
    with sqlite3.connect(places.data / "loopd.db") as connection:
        return connection.execute(query).fetchone()[0]


def life(rehearsal, lessons=0, then=None, stop=None):
    chosen = config.load(rehearsal.places, "quickstart", {"rounds": 2, "sampling": {"ahead": True}}, {})
    gpu = Training(rehearsal.places, lessons, then)
    board = progress.Board(rehearsal.places.run, chosen.profile)
    try:
        with parts.build(chosen, rehearsal.places, board, stop or StopRequest(), gpu=gpu) as loop:
            daemon.run(loop)
    finally:
        board.close()
    return gpu


def outcome(places):
    with sqlite3.connect(places.data / "loopd.db") as connection:
        return {name: connection.execute(query).fetchall() for name, query in OUTCOME.items()}


@pytest.fixture(scope="module")
def undisturbed(rehearse, tmp_path_factory):
    """What comes out where lessons have hardly any time to be played ahead."""
    home = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as there:
        there.setenv("LOOPD_HOME", str(home))
        there.chdir(home)
        other = rehearse(home)
        life(other)
    return outcome(other.places)


def test_lessons_are_played_and_judged_while_it_trains_and_change_nothing(rehearsal, undisturbed):
    assert life(rehearsal, lessons=12).saw == 12
    assert count(rehearsal.places, LESSONS) == 12
    assert outcome(rehearsal.places) == undisturbed
    assert {state for _, state, *_ in undisturbed["rounds"]} == {"done"}


def test_who_is_killed_meanwhile_plays_the_rest_later_and_nothing_twice(rehearsal, undisturbed):
    child = os.fork()
    if not child:
        try:
            life(rehearsal, lessons=1, then=lambda: os.kill(os.getpid(), signal.SIGKILL))
        finally:
            os._exit(7)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with rehearsal.store() as store:
        assert [rnd.state for rnd in store.rounds.all()] == [RoundState.TRAIN, RoundState.SAMPLE]
        assert store.rounds.unfinished().id == 1
    life(rehearsal, lessons=12)
    assert outcome(rehearsal.places) == undisturbed


def test_who_is_stopped_meanwhile_is_quick_about_it(rehearsal):
    stop = StopRequest()

    def interrupted():
        raise Stopped(signal.SIGTERM)

    begun = time.monotonic()
    with pytest.raises(Stopped):
        life(rehearsal, lessons=1, then=interrupted, stop=stop)
    assert time.monotonic() - begun < 30
    assert "loopd is not running. Round 1 is at 'train'" in rehearsal.loopd("status")


def test_the_last_round_teaches_nobody_ahead(rehearsal):
    rehearsal.live()
    with rehearsal.store() as store:
        assert len(store.rounds.all()) == 1


def test_a_round_that_is_opened_ahead_lets_others_go_first(rehearsal):
    with rehearsal.store() as store:
        first = store.rounds.open("config", 0)
        ahead = store.rounds.open_after(store.rounds.enter(first), "config", 1)
        assert store.rounds.open_after(first, "config", 1) == ahead
        assert store.rounds.open("config", 0).id == first.id
        store.rounds.advance(first, RoundState.DONE)
        assert store.rounds.open("config", 0) == ahead


def test_the_share_that_is_no_work_is_in_the_view_and_in_status(rehearsal):
    class Slow(FakeGpu):
        def training(self, job):
            time.sleep(0.5)
            yield from super().training(job)

    rehearsal.live(gpu=Slow())
    with sqlite3.connect(rehearsal.places.data / "loopd.db") as connection:
        seconds, overhead = connection.execute("select seconds, overhead from v_rounds").fetchone()
        stays = connection.execute(
            "select stage, ended - entered, worked, waited from stage_time where ended is not null order by id"
        ).fetchall()
    assert [stage for stage, *_ in stays][:3] == ["sample", "collect", "check"]
    assert {stage: worked for stage, _, worked, _ in stays}["train"] >= 500_000
    whole, worked = sum(long for _, long, *_ in stays), sum(worked for _, _, worked, _ in stays)
    assert seconds == pytest.approx(whole / 1e6)
    assert overhead == pytest.approx(1 - worked / whole)
    assert 0 < overhead < 1
    assert f"{100 * overhead:.0f} % of it neither play nor training" in rehearsal.loopd("status")


def test_a_wait_within_work_is_no_work():
    watch = Stopwatch()
    with watch.work():
        time.sleep(0.05)
        with watch.wait():
            time.sleep(0.1)
    spent = watch.spent
    assert 50_000 <= spent.worked < 100_000 <= spent.waited
