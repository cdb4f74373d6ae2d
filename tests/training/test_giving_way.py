"""A trainer that halts for people computes nothing meanwhile, and ends with the very adapter of one that did not."""

import json
import random
import threading
import time
from contextlib import suppress

import mlx.core as mx
import psutil
import pytest

from loop.runtime.gpu import Gpu
from loop.runtime.gpu_turn import Barrier, GpuTurn
from loop.types.jobs import Job
from loop.weights.adapters import WEIGHTS
from loop.weights.tiny import tiny

from .test_trainer import example

HALT = 0.15


@pytest.fixture
def jobs(tmp_path):
    draw = random.Random(0)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(example(number, draw)) + "\n" for number in range(24)))
    base = tiny(tmp_path / "models")
    return [
        Job(
            base=base, template="compact", rows=rows, out=tmp_path / name / "adapter", scratch=tmp_path / name,
            seed=5, epochs=6, rank=4, heldout=0.1, learning_rate=5e-3, lanes=2,
        )
        for name in ("undisturbed", "halted", "shut")
    ]  # fmt: skip


class People(threading.Thread):
    """Somebody who has the machine again and again, and looks what the trainer does meanwhile."""

    def __init__(self, run):
        super().__init__()
        self.turn, self.ended, self.steps, self.computed = GpuTurn(run, "people"), threading.Event(), 0, []

    def run(self):
        while not self.ended.is_set():
            with self.turn.held():
                steps, before = self.steps, seconds()
                time.sleep(HALT)
                if steps:
                    self.computed.append(seconds() - before)
            time.sleep(0.05)


def seconds():
    found = 0.0
    for each in psutil.Process().children():
        with suppress(psutil.Error):
            found += sum(each.cpu_times()[:2]) if "loop.training.trainer" in each.cmdline() else 0
    return found


def fitted(job, run, told=lambda _: None):
    with Gpu(run, run, run) as gpu:
        for line in gpu.training(job):
            told(line)


def through_windows(job, run):
    """Train with a window that is shut every eight steps; how often the trainer gave its memory back meanwhile."""
    barrier, lives = Barrier(run), 0
    with Gpu(run, run, run, keep=0.1) as gpu:
        while True:
            lives, says = lives + 1, ""
            for line in gpu.training(job):
                says = line.says
                if says == "step" and line.step % 8 == 0:
                    barrier.close()
            if says == "done":
                return lives
            assert says == "halted"
            barrier.open()


def test_the_adapter_is_the_same_bit_for_bit_and_nothing_was_computed_at_a_halt(jobs, tmp_path):
    undisturbed, halted, shut = jobs
    fitted(undisturbed, tmp_path / "alone")
    assert through_windows(shut, tmp_path / "shut") >= 3
    people = People(tmp_path / "run")
    people.start()
    try:
        fitted(halted, tmp_path / "run", lambda line: setattr(people, "steps", line.says == "step"))
    finally:
        people.ended.set()
        people.join()
    assert len(people.computed) >= 5
    assert sum(people.computed) < 0.02 * HALT * len(people.computed) + 0.02
    one, *others = (mx.load(str(job.out / WEIGHTS)) for job in jobs)
    for other in others:
        assert one.keys() == other.keys()
        assert all(mx.array_equal(one[name], other[name]).item() for name in one)
