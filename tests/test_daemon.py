"""The whole loop on shipped fakes: what a round does, and that it survives being killed anywhere (rule 6)."""

import os
import signal
import sqlite3
import threading
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from loop import config, daemon, parts
from loop.control import lease, progress
from loop.control.progress import Board
from loop.errors import AlreadyRunning, CheckNegative, FailureKind, OutOfMemory
from loop.runtime import disk, paths
from loop.runtime.signals import Stopped, StopRequest
from loop.store import Store
from loop.testing import FakeGpu, killing
from loop.types import Purpose, RoundState
from loop.types.jobs import Began, Stepped

OUTCOME = {
    "rounds": "select id, state, reason, candidate, dataset from round where id > 0",
    "policies": "select id, standing, adapter, parent from policy order by id",
    "plays": "select round, purpose, task, player, policy, sample, state from play order by id",
    "trajectories": "select id, player, passed, calls, digest from trajectory order by id",
    "verdicts": "select trajectory, checker, version, passed from verdict order by trajectory, checker",
    "scores": "select subject, suite, task, sample, passed from score order by subject, suite, task, sample",
    "gates": "select round, gate, candidate, champion, verdict, difference from gate_result order by round, gate",
    "promotions": "select round, candidate, decision, reason from promotion order by id",
    "arms": "select backends, family, tier, alpha, beta, plays, wins from arm order by backends, family, tier",
    "rows": "select dataset, place, trajectory from dataset_row order by dataset, place",
}
"""What must be the same however often the daemon was killed. Times and random ids are left out."""


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return at(tmp_path)


def at(root):
    return paths.Paths(data=root / "data", logs=root / "logs", config=root / "config").create()


def settings(places, **flags):
    rehearsal = tomllib.loads((Path(__file__).parent / "rehearsal.toml").read_text())
    training = rehearsal["training"] | flags.pop("training", {})
    return config.load(places, "quickstart", {**rehearsal, "training": training, "rounds": 1, **flags}, {})


def live(places, store=None, stop=None, **flags):
    """One life of the daemon: until its rounds are done, or it is killed."""
    chosen = settings(places, **flags)
    shown = progress.Board(places.run, chosen.profile)
    with parts.build(chosen, places, shown, stop or StopRequest(), store=store, gpu=FakeGpu()) as loop:
        daemon.run(loop)
    return shown.now


def outcome(places):
    with sqlite3.connect(places.data / "loopd.db") as connection:
        return {name: connection.execute(query).fetchall() for name, query in OUTCOME.items()}


def in_child(life):
    """Live in a forked process; the exit code, or minus the signal that killed it."""
    child = os.fork()
    if not child:
        try:
            life()
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_round_learns_is_measured_and_promotes(places):
    now = live(places)
    with Store.open(places.database) as store:
        (rnd,) = store.rounds.all()
        champion = store.policies.champion()
        assert rnd.state is RoundState.DONE
        assert champion.id == store.policies.candidate(rnd).id
        assert champion.adapter
        assert {result.verdict for result in store.gates.results(rnd)} == {"holds"}
        assert store.plays.progress(rnd, Purpose.TRAIN)[0] == store.plays.progress(rnd, Purpose.TRAIN)[1]
    assert "holds and improved" in now.decision
    assert {result.gate for result in now.gates} == {"depth", "breadth"}


def test_the_next_round_keeps_a_champion_that_nothing_beats(places):
    live(places)
    first = outcome(places)["promotions"]
    live(places)
    after = outcome(places)
    assert len(after["rounds"]) == 2
    assert [row[2] for row in after["promotions"]] == [*(row[2] for row in first), "rejected"]
    assert after["arms"] != []


def test_what_was_changed_since_it_was_stored_is_not_trained_on_and_told(places):
    live(places)
    with sqlite3.connect(places.data / "loopd.db") as connection:
        (one,) = connection.execute("select trajectory from dataset_row limit 1").fetchone()
        assert connection.execute(
            "update message set content = 'Other.' where place = 1 and trajectory = ?", [one]
        ).rowcount
    live(places)
    with Store.open(places.database) as store:
        second = store.datasets.of(store.rounds.all()[-1])
        assert second is not None
        assert one not in second.rows
        assert second.counts["damaged"] == 1
        assert not list(places.scratch.glob("round-1-*"))  # what no round needs any more
        told = [event for event in store.events.read() if event.kind == "trajectory.damaged"]
    assert told[0].fields["first"] == [one]


def test_a_daemon_that_is_started_again_names_its_champion_from_the_first_stage_on(places, monkeypatch):
    live(places)
    with Store.open(places.database) as store:
        adapter = store.policies.champion().adapter
    named, update = [], Board.update

    def noted(board, **changes):
        named.extend(changes["champion"] for _ in range("stage" in changes))
        update(board, **changes)

    monkeypatch.setattr(Board, "update", noted)
    live(places)
    assert named[0] == adapter


def test_a_tier_that_a_rounds_plays_open_is_looked_at_within_the_round(places):
    sampling = tomllib.loads((Path(__file__).parent / "rehearsal.toml").read_text())["sampling"]
    waiting = {"use": "thompson", "settings": {"samples": 2, "free": ["moderate"]}}
    tiers = sampling | {"tiers": ["moderate", "hard"], "families": ["tidy", "buy"], "curriculum": waiting}
    live(places, sampling=tiers)
    live(places, sampling=tiers)
    by_tier = "select p.round, t.tier, count(distinct t.arm), count(*) from play p join task t on t.id = p.task"
    with sqlite3.connect(places.data / "loopd.db") as connection:
        student = f"{by_tier} where p.purpose = 'train' and p.player = 'student' group by 1, 2 order by 1, 2"
        played = {(number, tier): counts for number, tier, *counts in connection.execute(student)}
    assert set(played) == {(1, "moderate"), (2, "hard"), (2, "moderate")}
    assert played[2, "hard"] == [2, 4], "one task of each arm, two samples"


def test_too_few_accepted_plays_end_a_round_without_a_candidate(places):
    now = live(places, training={"min_rows": 1000})
    ((_, state, reason, candidate, _),) = outcome(places)["rounds"]
    assert (state, candidate) == ("done", None)
    assert "training needs 1000" in reason
    assert "training needs 1000" in now.decision


@pytest.mark.reliability(id="F11")
def test_a_stop_leaves_a_round_that_the_next_start_finishes(places, tmp_path):
    stop = StopRequest()
    stop.ask(signal.SIGINT)
    with pytest.raises(Stopped):
        live(places, stop=stop)
    live(places)
    (tmp_path / "whole").mkdir()
    undisturbed = at(tmp_path / "whole")
    live(undisturbed)
    assert outcome(places) == outcome(undisturbed)


def test_a_database_that_another_daemon_writes_to_is_left_alone(places, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with Store.open(places.database) as elsewhere, lease.hold(elsewhere, tmp_path / "elsewhere"):
        with pytest.raises(AlreadyRunning, match="elsewhere"):
            live(places)
        assert elsewhere.rounds.all() == ()
    live(places)


class Cramped(FakeGpu):
    """Has room for some tokens at once only; otherwise dies after a step, as a trainer does."""

    def __init__(self, room):
        super().__init__()
        self.room, self.asked = room, []

    def training(self, job):
        self.asked.append((job.batch_tokens, job.gradient_checkpointing))
        if job.batch_tokens <= self.room:
            yield from super().training(job)
            return
        yield Began(rows=9, steps=3, engine="plain", why="unknown family", batch_tokens=min(job.batch_tokens, 3000))
        yield Stepped(step=1, steps=3, loss=2.0, batch_tokens=job.batch_tokens)
        raise OutOfMemory(FailureKind.LOST, "trainer was ended by SIGKILL")


@pytest.mark.reliability(id="F16")
def test_a_trainer_without_memory_goes_on_with_half_as_much_at_once(places):
    chosen = settings(places)
    gpu = Cramped(1000)
    with parts.build(chosen, places, progress.Board(places.run, "x"), StopRequest(), gpu=gpu) as loop:
        daemon.run(loop)
    assert gpu.asked == [(chosen.training.batch_tokens, False), (1500, False), (750, False)]
    with Store.open(places.database) as store:
        halved = [event.fields["batch_tokens"] for event in store.events.read(kind="training.out_of_memory")]
        assert [event.fields["why"] for event in store.events.read(kind="training.plain_batches")] == [
            "unknown family"
        ] * 2
        assert [rnd.state for rnd in store.rounds.all()] == [RoundState.DONE]
    assert halved == [1500, 750]
    with sqlite3.connect(places.data / "loopd.db") as connection:
        steps = connection.execute("select round, step, steps, loss from v_training order by step").fetchall()
    assert steps == [(1, 1, 3, 1.0), (1, 2, 3, 0.5), (1, 3, 3, pytest.approx(1 / 3))]


def test_a_trainer_that_never_has_memory_is_given_up(places):
    gpu = Cramped(0)
    with (
        parts.build(settings(places), places, progress.Board(places.run, "x"), StopRequest(), gpu=gpu) as loop,
        pytest.raises(OutOfMemory),
    ):
        daemon.run(loop)
    assert gpu.asked[-2:] == [(375, False), (375, True)]


@pytest.mark.reliability(id="F5")
def test_a_training_that_the_disk_cannot_hold_does_not_begin(places, monkeypatch):
    stop = StopRequest()
    with monkeypatch.context() as full, pytest.raises(Stopped):
        full.setattr(disk, "of_training", lambda *_, **__: 2**62)
        when_low(places, stop.ask)
        live(places, stop=stop)
    with Store.open(places.database) as store:
        assert [rnd.state for rnd in store.rounds.all()] == [RoundState.TRAIN]
    assert live(places).decision


def when_low(places, then):
    """Do something once the daemon has said that it waits for room."""

    def watch():
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(sqlite3.Error), sqlite3.connect(places.data / "loopd.db") as connection:
                if connection.execute("select 1 from event where kind = 'disk.low'").fetchall():
                    break
            time.sleep(0.2)
        then()

    threading.Thread(target=watch, daemon=True).start()


@pytest.mark.reliability(id="F5")
def test_without_room_nothing_is_begun_and_with_room_it_goes_on_by_itself(places):
    ballast = places.data / "ballast"
    with ballast.open("wb") as file:
        file.truncate(2**31)
    when_low(places, ballast.unlink)
    live(places, storage={"max_gib": 1})
    with Store.open(places.database) as store:
        assert [rnd.state for rnd in store.rounds.all()] == [RoundState.DONE]
        told = {event.kind: event.fields.get("why") for event in store.events.read()}
        assert f"{places.data} takes 2.0 GiB, storage.max_gib allows 1" in told["disk.low"]
        assert "disk.enough" in told


def test_a_stage_that_fails_again_and_again_ends_its_round(places):
    class Poisoned(FakeGpu):
        def training(self, job):
            raise CheckNegative("poisoned")

    chosen = settings(places, max_attempts=2)
    for _ in range(2):
        with (
            pytest.raises(CheckNegative),
            parts.build(chosen, places, progress.Board(places.run, "x"), StopRequest(), gpu=Poisoned()) as loop,
        ):
            daemon.run(loop)
    live(places, max_attempts=2)
    states = [row[1:3] for row in outcome(places)["rounds"]]
    assert states == [("failed", "train was entered 3 times in vain")]


def lives(places, moment, first):
    """Kill the daemon at commit `first`, then let it end; how often it was killed."""
    code = in_child(lambda: live(places, store=killing(places.database, first, moment)))
    if code == -signal.SIGKILL:
        assert in_child(lambda: live(places) and os._exit(0)) == 0
        return 1
    return 0


def commits(places):
    store = killing(places.database, 0, "before")
    live(places, store=store)
    return store.database.commits


@pytest.mark.fault
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.reliability(id="F2")
def test_killed_at_a_commit_it_ends_the_same(tmp_path, monkeypatch, moment):
    survive(tmp_path, monkeypatch, moment, every=31, first=1 if moment == "before" else 16)


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.reliability(id="F2")
def test_killed_at_every_commit_it_ends_the_same(tmp_path, monkeypatch, moment):
    survive(tmp_path, monkeypatch, moment, every=1)


def survive(tmp_path, monkeypatch, moment, every, first=1):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole").mkdir()
    undisturbed = at(tmp_path / "whole")
    total = commits(undisturbed)
    expected = outcome(undisturbed)
    killed = 0
    over = total - (moment == "after")  # the last commit gives the lease back: the round is over, and another begins
    for commit in range(first, over, every):
        root = tmp_path / f"{moment}-{commit}"
        root.mkdir()
        killed += lives(at(root), moment, commit)
        assert outcome(at(root)) == expected, f"killed {moment} commit {commit} of {total}"
    assert killed >= len(range(first, over, every)) - 1 > 0


@pytest.mark.reliability(id="F18")
def test_while_a_gate_is_paused_nobody_is_promoted_and_a_resumed_gate_decides(places):
    with Store.open(places.database) as store:
        store.gates.pause("depth", "a test")
    live(places)
    assert [row[2] for row in outcome(places)["promotions"]] == ["first"]
    with Store.open(places.database) as store:
        assert [rnd.id for rnd in store.promotions.queued()] == [1]
        store.gates.resume("depth")
    live(places)
    assert [row[2] for row in outcome(places)["promotions"]][:2] == ["first", "promoted"]
