"""The loop outside its window: nothing on the GPU, everything else goes on, and the round ends as it would have."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from loop import config, daemon, parts
from loop.control import progress
from loop.control import window as windows
from loop.runtime.awake import Awake
from loop.runtime.signals import Stopped, StopRequest
from loop.stages import collecting, sampling, window
from loop.testing import FakeGpu
from loop.types import Purpose, RoundState
from loop.types.jobs import Halted, Stepped
from loop.ui import story
from loop.windows import decision
from loop.windows.limits import Windows

ON_MAINS = Windows(mains=True, awake=False)
OUTCOME = (
    "select id, state, reason, candidate, dataset from round where id > 0",
    "select round, purpose, task, player, policy, sample, state from play order by id",
    "select id, player, passed, calls, digest from trajectory order by id",
    "select candidate, decision, reason from promotion order by id",
)


class Socket:
    """A probe: a plug that can be pulled."""

    def __init__(self, *, plugged):
        self.plugged = plugged

    def look(self):
        return self.plugged


@pytest.fixture
def socket(monkeypatch):
    plug = Socket(plugged=False)
    monkeypatch.setattr(decision, "PROBES", {**decision.PROBES, "mains": plug})
    monkeypatch.setattr(windows, "EVERY", 0.02)
    monkeypatch.setattr(window, "EVERY", 0.02)
    return plug


class Watched(FakeGpu):
    """Notes whether it was used while the plug was pulled, and pulls it some times in the midst of training."""

    def __init__(self, socket, pulls=0):
        self.socket, self.pulls, self.used = socket, pulls, []

    def serving(self, base, **settings):
        self.used.append(self.socket.plugged)
        return super().serving(base, **settings)

    def training(self, job):
        self.used.append(self.socket.plugged)
        if self.pulls:
            self.pulls -= 1
            yield Stepped(step=1, steps=3, loss=1.0)
            self.socket.plugged = False
            time.sleep(0.3)  # the trainer halts for a while before it gives its memory back
            yield Halted()
        else:
            yield from super().training(job)


def life(rehearsal, gpu, stop=None, limits=ON_MAINS, then=daemon.run):
    chosen = config.load(rehearsal.places, "quickstart", {"rounds": 1}, {})
    board = progress.Board(rehearsal.places.run, chosen.profile)
    with parts.build(chosen, rehearsal.places, board, stop or StopRequest(), gpu=gpu, windows=limits) as loop:
        return then(loop)


def outcome(store):
    return [[tuple(row) for row in rows(store, query)] for query in OUTCOME]


def rows(store, query):
    with store.plays._db.read() as connection:
        return connection.exec_driver_sql(query).all()


def when_it_waits(rehearsal, then):
    """Do something each time the daemon begins to wait."""

    def watch():
        while not ended.wait(0.02):
            now = progress.find(rehearsal.places.run)
            if now is not None and now.doing == window.WAITS:
                then(now)

    ended = threading.Event()
    threading.Thread(target=watch, daemon=True).start()
    return ended.set


def test_a_round_waits_before_it_plays_and_in_the_midst_of_training(rehearsal, rehearse, socket, monkeypatch):
    gpu, told = Watched(socket, pulls=2), []

    def plug_in(now):
        told.append(story.now(None, now))
        socket.plugged = True

    done = when_it_waits(rehearsal, plug_in)
    life(rehearsal, gpu)
    done()
    assert all(gpu.used)
    assert any(" Work on the GPU waits for its window: not on mains power." in each for each in told)
    with rehearsal.store() as store:
        kinds = [event.kind for event in store.events.read() if event.kind.startswith("window.")]
        assert kinds == ["window.closed", "window.opened"] * 3
        waited = outcome(store)
    (rehearsal.home / "other").mkdir()
    monkeypatch.setenv("LOOPD_HOME", str(rehearsal.home / "other"))
    other = rehearse(rehearsal.home / "other")
    other.live()
    with other.store() as store:
        assert outcome(store) == waited


def test_teachers_play_while_the_student_has_to_wait(rehearsal, socket):
    def play(loop):
        rnd = loop.store.rounds.open(loop.config.digest, loop.config.seed)
        owing = sampling.plan(loop, rnd)
        taught = [play for task in owing.tasks[:2] for play in sampling.teacher_plays(loop, rnd, task)]
        loop.store.plays.owe(rnd, owing.tasks, [*owing.plays, *taught])
        order = []
        for played, trajectory in collecting.owed(loop, rnd, Purpose.TRAIN):
            loop.store.plays.finish(played, trajectory)
            order.append(played.player_name)
        return order

    done = when_it_waits(rehearsal, lambda _: setattr(socket, "plugged", True))
    order = life(rehearsal, Watched(socket), then=play)
    done()
    assert order[:2] == ["scripted", "scripted"]
    assert set(order[2:]) == {"student"}
    assert len(order) == 14


def test_the_students_plays_come_first_as_soon_as_the_window_opens(rehearsal, socket):
    def play(loop):
        rnd = loop.store.rounds.open(loop.config.digest, loop.config.seed)
        owing = sampling.plan(loop, rnd)
        taught = [play for task in owing.tasks for play in sampling.teacher_plays(loop, rnd, task)]
        loop.store.plays.owe(rnd, owing.tasks, [*owing.plays, *taught])
        order = []
        for played, trajectory in collecting.owed(loop, rnd, Purpose.TRAIN):
            loop.store.plays.finish(played, trajectory)
            order.append(played.player_name)
            if len(order) in {1, 5, 8}:
                socket.plugged = not socket.plugged
                while loop.window.now.open != socket.plugged:
                    time.sleep(0.01)
        return order

    order = life(rehearsal, Watched(socket), then=play)
    assert order[0] == "scripted"
    assert set(order[2:4]) == {"student"}
    assert "scripted" in order[5:8]
    assert len(order) == 18


def test_it_stops_and_is_killed_while_it_waits_and_goes_on_later(rehearsal, socket):
    stop = StopRequest()
    done = when_it_waits(rehearsal, lambda _: stop.ask(signal.SIGTERM))
    with pytest.raises(Stopped):
        life(rehearsal, Watched(socket), stop)
    done()
    child = os.fork()
    if not child:
        try:
            life(rehearsal, Watched(socket))
        finally:
            os._exit(7)
    deadline = time.monotonic() + 20
    while (now := progress.find(rehearsal.places.run)) is None or now.pid != child or now.doing != window.WAITS:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    socket.plugged = True
    life(rehearsal, Watched(socket))
    with rehearsal.store() as store:
        assert [rnd.state for rnd in store.rounds.all()] == [RoundState.DONE]


def test_what_cannot_be_told_hinders_nothing_and_is_an_event(rehearsal, socket):
    socket.plugged = None
    life(rehearsal, FakeGpu(), then=lambda _: None)
    with rehearsal.store() as store:
        (event,) = store.events.read(kind="window.unknown")
        assert event.fields == {"asked": ["mains"]}


HOLDER = """
import sys, time
from loop.runtime.awake import Awake
with Awake([sys.executable, "-c", "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); sys.stdin.read()",
            sys.argv[1]]):
    time.sleep(60)
"""


def test_sleep_is_held_off_while_there_is_work_and_by_nobody_who_is_gone(tmp_path):
    awake = Awake(["cat"])
    assert not awake.settled()
    with awake:
        assert awake.settled()
        with awake.off():
            assert not awake.settled()
        assert awake.settled()
    assert not awake.settled()
    with Awake(["no-such-program"]) as refused:
        assert not refused.settled()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "pid")]) as daemon_to_be:
        deadline = time.monotonic() + 20
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        daemon_to_be.kill()
    holder = int((tmp_path / "pid").read_text())
    while time.monotonic() < deadline:
        try:
            os.kill(holder, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("it holds off sleep for nobody")
