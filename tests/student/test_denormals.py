"""Denormals: flushed in every thread that computes, where they cost anything."""

import platform
import subprocess
import sys

import pytest

COMPUTE = """
import sys, threading
import mlx.core as mx
from loop.compute.cpu.denormals import flush_denormals
mx.set_default_device(mx.cpu)
if sys.argv[1] == "flushed":
    print(flush_denormals())
small = mx.full((4, 4), 1e-20)
print(float(mx.sum(small * small)))
with mx.stream(mx.new_stream(mx.cpu)):
    print(float(mx.sum(small * small)))
found = []
thread = threading.Thread(target=lambda: found.append(float(mx.sum((small * 1e-19) @ mx.full((4, 4), 1e10)))))
thread.start()
thread.join()
print(*found)
"""


def said(how: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", COMPUTE, how], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc",
    reason="only x86 loses time by them, and only glibc is asked",
)
def test_every_thread_that_begins_later_takes_denormals_for_zero():
    assert said("flushed") == ["True", "0.0", "0.0", "0.0"]


def test_without_it_they_are_numbers():
    assert all(float(word) > 0 for word in said("plain"))
