"""Ray's own ways to fail: each costs the plays in flight and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
import structlog

from loop import plugins
from loop.errors import FailureKind, ProviderError
from loop.rollout import ray_pool as module
from loop.rollout.ray_pool import RayPool
from loop.types import End, Part, Play, Split
from task_generators.files import Files


@pytest.fixture
def staged():
    import staged  # noqa: PLC0415 - on the path by a session fixture

    return staged.staged


def session_of(pool):
    """Every living process of the pool's child."""
    return [psutil.Process(pid) for pid in psutil.pids() if in_session(pid, pool._child.pid)]


def in_session(pid, leader):
    try:
        return os.getsid(pid) == leader and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def kill(pool, name):
    (process,) = [each for each in session_of(pool) if each.name() == name]
    process.kill()


def test_the_daemon_never_loads_ray(ray_pool, staged):
    assert [*ray_pool.run([staged(1)])]
    assert "ray" not in sys.modules


@pytest.mark.reliability(id="F10")
def test_a_worker_that_dies_costs_the_plays_that_it_had_and_is_replaced(ray_pool, staged):
    plays = [staged(0, "die"), *(staged(number, "sleep 0.2") for number in range(1, 20))]
    found = {play.task.seed: trajectory for play, trajectory in ray_pool.run(plays)}
    assert len(found) == 20
    assert found[0].failure.kind is FailureKind.LOST
    lost = [number for number, trajectory in found.items() if trajectory.end is End.FAILED]
    assert len(lost) <= 4, "one of two workers had four of eight plays in flight"
    assert all(trajectory.end is End.CLOSED for _, trajectory in ray_pool.run(staged(n) for n in range(40)))


def test_only_loopback_is_listened_on_and_without_the_token_nobody_gets_in(ray_pool, staged):
    assert [*ray_pool.run([staged(1)])]
    addresses = {
        connection.laddr.ip
        for process in session_of(ray_pool)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    environment = psutil.Process(ray_pool._child.pid).environ()
    assert environment["RAY_AUTH_MODE"] == "token"
    assert Path(environment["RAY_AUTH_TOKEN_PATH"]).stat().st_mode & 0o777 == 0o600


def test_nobody_else_reaches_what_ray_opens_to_everybody(ray_pool, staged):
    """Ray makes its own directory and its sockets' writable for all: the one above them is closed."""
    assert [*ray_pool.run([staged(1)])]
    home = Path((ray_pool._run / "ray.directory").read_text())
    assert home.stat().st_mode & 0o777 == 0o700
    assert home.stat().st_uid == os.getuid()
    assert [each.name for each in home.iterdir()] == ["r"]
    sockets = [*home.glob("r/session_*/sockets/*")]
    assert sockets
    assert all(len(str(each)) <= 95 for each in sockets), "a Mac allows 103, and says /private/var/tmp"


PLUG_IN = """
from loop.types import Message, Record, Reply


class Mine(Record):
    words: str
    name: str = "mine"

    def open(self, task, seed):
        return self

    def reply(self, messages, catalogue):
        return Reply(message=Message(role="assistant", content=self.words))


class Strict(Record):
    name: str = "strict"
    version: int = 1

    def doomed(self, task, trajectory):
        return True
"""


def test_a_plug_in_that_the_daemon_finds_is_found_by_the_workers(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plug_in_of_mine.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path / "mine")  # as PYTHONPATH does, or a working directory that is left
    ours = plugins.find("teachers", "plug_in_of_mine:Mine")
    assert ours(words="x").name == "mine"
    task = Files().make(Files().arms[0], 1, Split.TRAIN)
    task = task.model_copy(update={"turns": task.turns * 2})
    part = Part(use="plug_in_of_mine:Mine", settings={"words": "found"})
    play = Play(
        id="p", round=1, task=task, player=part, player_name="mine", referees=(Part(use="plug_in_of_mine:Strict"),)
    )
    with RayPool(1, run=tmp_path / "run", logs=tmp_path / "logs", in_flight=1) as pool:
        [(_, trajectory)] = pool.run([play])
    assert trajectory.end is End.CLOSED, trajectory.failure
    assert [message.content for message in trajectory.messages if message.role == "assistant"] == ["found"]


@pytest.mark.reliability(id="F10")
def test_a_child_that_dies_loses_what_is_in_flight_and_is_started_again(ray_pool, staged):
    before = ray_pool._child.pid
    outcomes = ray_pool.run([staged(0), *(staged(number, "sleep 30") for number in range(1, 8))])
    assert next(outcomes)[1].end is End.CLOSED
    os.kill(before, signal.SIGKILL)
    with structlog.testing.capture_logs() as logged:
        failures = [trajectory.failure for _, trajectory in outcomes]
    assert Counter(failure.kind for failure in failures) == {FailureKind.LOST: 7}
    assert [(line["event"], line["plays"]) for line in logged] == [("pool_lost", 7)]
    assert failures[0].message.startswith(f"ray (pid {before}) was ended by SIGKILL")
    assert [trajectory.end for _, trajectory in ray_pool.run([staged(9)])] == [End.CLOSED]
    assert ray_pool._child.pid != before


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.reliability(id="F10")
def test_a_ray_that_never_comes_up_is_given_up_after_five_restarts(tmp_path, staged, monkeypatch):
    (tmp_path / "ray.py").write_text("raise ImportError('no ray here')")
    monkeypatch.setattr(module, "LONGEST_WAIT", 0)
    places = {"run": tmp_path / "run", "logs": tmp_path / "logs"}
    with RayPool(1, in_flight=1, environment={"PYTHONPATH": str(tmp_path)}, **places) as pool:
        outcomes = pool.run(staged(number) for number in range(100))
        lost = [next(outcomes)[1].failure for _ in range(6)]
        with pytest.raises(ProviderError, match="Ray died 6 times") as caught:
            next(outcomes)
    assert caught.value.kind is FailureKind.FATAL
    assert Counter(failure.kind for failure in lost) == {FailureKind.LOST: 6}
    assert "no ray here" in lost[0].message
    assert not [*(tmp_path / "run").iterdir()]


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("server", ["raylet", "gcs_server"])
@pytest.mark.reliability(id="F10")
def test_a_dead_server_of_ray_loses_what_is_in_flight_and_ray_is_started_again(ray_pool, staged, server):
    outcomes = ray_pool.run([staged(0), *(staged(number, "sleep 60") for number in range(1, 8))])
    next(outcomes)
    kill(ray_pool, server)
    began = time.monotonic()
    assert Counter(trajectory.failure.kind for _, trajectory in outcomes) == {FailureKind.LOST: 7}
    assert [trajectory.end for _, trajectory in ray_pool.run([staged(9)])] == [End.CLOSED]
    assert time.monotonic() - began < 40


@pytest.mark.slow
@pytest.mark.fault
def test_ending_the_pool_leaves_no_process_and_no_file_even_while_it_starts(tmp_path, staged):
    pool = RayPool(1, run=tmp_path / "run", logs=tmp_path / "logs")
    with pool:
        directory = Path((tmp_path / "run" / "ray.directory").read_text())
        leader = pool._child.pid
        while not any(each.name() == "raylet" for each in session_of(pool)):
            time.sleep(0.1)
    assert not [pid for pid in psutil.pids() if in_session(pid, leader)]
    assert not directory.exists()


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.reliability(id="F10")
def test_kill_9_of_the_daemon_takes_ray_with_it(tmp_path):
    arguments = [sys.executable, str(Path(__file__).with_name("owner.py")), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as owner:
        _, leader, directory = json.loads(owner.stdout.readline())
        assert [pid for pid in psutil.pids() if in_session(pid, leader)]
        owner.kill()
    deadline = time.monotonic() + 10
    while [pid for pid in psutil.pids() if in_session(pid, leader)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in psutil.pids() if in_session(pid, leader)]
    assert not Path(directory).exists()
