import os
import platform
import subprocess
import sys

import pytest

from loop.compute.cpu.cores import cores
from loop.compute.cpu.threads import EVERY, Threads
from loop.runtime.gpu import preload


def test_nothing_is_done_without_openblas(monkeypatch):
    threads = Threads()
    monkeypatch.setattr("loop.compute.cpu.threads.blas_threads", lambda: None)
    threads.settle()
    assert threads.chosen is None


def test_the_faster_number_is_kept_until_the_next_measurement(monkeypatch):
    threads, asked = Threads(), []
    threads._choices = [1, 2, 4]
    monkeypatch.setattr("loop.compute.cpu.threads.blas_threads", lambda: 1)
    monkeypatch.setattr("loop.compute.cpu.threads.set_blas_threads", asked.append)
    monkeypatch.setattr(threads, "_seconds", {1: 3.0, 2: 1.0, 4: 2.0}.get)
    threads.settle()
    threads.settle()
    assert threads.chosen == 2
    assert asked == [2]
    threads._due -= EVERY
    threads.settle()
    assert asked == [2, 2]


@pytest.mark.skipif(not preload(), reason="there is no OpenBLAS to be set")
def test_openblas_is_found_when_it_is_put_under_mlx():
    program = "from loop.compute.cpu.threads import Threads; t = Threads(); t.settle(); print(t.chosen)"
    environment = {**os.environ, **preload()}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) in (1, cores())


@pytest.mark.skipif(not preload() or platform.machine() != "x86_64", reason="there is no OpenBLAS with these kernels")
def test_openblas_without_avx512_packs_whatever_it_multiplies():
    program = "from loop.compute.cpu.cores import packs_little; print(packs_little())"
    environment = {**os.environ, **preload(), "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
