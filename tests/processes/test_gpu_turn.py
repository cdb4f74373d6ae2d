"""One process computes at a time, people's first; the locks go with whoever holds them."""

import itertools
import json
import signal
import subprocess
import sys
import time

import pytest

from loop.runtime import gpu_turn
from loop.runtime.gpu_turn import GpuTurn, turn_environment

WORKER = """
import os, sys, time, json
from loop.runtime.gpu_turn import GpuTurn
turn, piece, pieces = GpuTurn.given(os.environ), float(sys.argv[1]), int(sys.argv[2])
for number in range(pieces):
    turn.acquire()
    begun = time.monotonic()
    time.sleep(piece)
    print(json.dumps([begun, time.monotonic()]), flush=True)
turn.release()
"""


def work(directory, kind, piece, pieces):
    arguments = [sys.executable, "-c", WORKER, str(piece), str(pieces)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=turn_environment(directory, kind))


def intervals(child):
    return [tuple(json.loads(line)) for line in child.communicate(timeout=60)[0].splitlines()]


def test_two_never_compute_at_once_and_people_wait_for_one_piece_alone(tmp_path):
    loops = work(tmp_path, "loop", 0.1, 40)
    loops.stdout.readline()
    asked = time.monotonic()
    people = [work(tmp_path, "people", 0.01, 30) for _ in range(2)]
    answered = [intervals(child) for child in people]
    worked = intervals(loops)
    everything = sorted([*worked, *answered[0], *answered[1]])
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(everything))
    assert len(worked) == 39
    for answers in answered:
        between = [piece for piece in worked if answers[0][0] < piece[0] < answers[-1][1]]
        assert between == []
    halted = [piece for piece in worked if piece[0] > asked]
    assert halted, "the loop's work went on afterwards"


def test_who_keeps_the_door_lets_one_piece_through_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_turn, "QUANTUM", 0.3)
    loops = work(tmp_path, "loop", 0.02, 30)
    loops.stdout.readline()
    mine, until = GpuTurn(tmp_path, "people"), time.monotonic() + 2
    while time.monotonic() < until:
        mine.acquire()
        time.sleep(0.01)
    mine.release()
    through = [piece for piece in intervals(loops) if piece[1] < until]
    assert 2 <= len(through) <= 16


@pytest.mark.parametrize("kind", ["loop", "people"])
def test_a_process_that_is_killed_lets_go(tmp_path, kind):
    mine = GpuTurn(tmp_path)
    with work(tmp_path, kind, 60, 1) as child:
        time.sleep(0.5)
        child.send_signal(signal.SIGKILL)
    begun = time.monotonic()
    with mine.held():
        assert time.monotonic() - begun < 5


def test_without_a_word_of_the_parent_the_machine_is_its_own():
    mine = GpuTurn.given({})
    with mine.held():
        assert mine.linger is None


def test_what_was_begun_is_finished_before_somebody_else_computes(tmp_path):
    mine, settled = GpuTurn(tmp_path), []
    mine.acquire(lambda: settled.append("first"))
    mine.acquire(lambda: settled.append("nobody waits"))
    other = work(tmp_path, "people", 0.01, 1)
    while not settled:
        mine.acquire(lambda: settled.append("other"))
        time.sleep(0.01)
    mine.release()
    assert settled == ["other"]
    assert len(intervals(other)) == 1
