"""How many threads OpenBLAS should use just now, on Linux.

OpenBLAS cuts a product in equal parts and spins until the last is done. On an idle machine two threads are nearly
twice as fast as one. Where another process wants a core, each product waits for a thread that is not running: a
decoding step of 0.4 s with one thread took more than 6 s with two. So it is measured again and again, with products
of the size that decoding has, and the faster setting is kept.
"""

import time
from typing import Final

import mlx.core as mx

from loop.compute.cpu.cores import blas_threads, cores, set_blas_threads

EVERY: Final = 20.0
"""Seconds from one measurement to the next."""
ROUNDS: Final = 8
"""Products a measurement: about ten milliseconds on an idle machine."""
ROWS, INNER, OUTER = 32, 576, 1536


class Threads:
    """Chooses OpenBLAS's number of threads. Does nothing where there is no OpenBLAS."""

    def __init__(self) -> None:
        """Lay out the products that are measured."""
        self._choices = sorted({1, cores()})
        self._due = 0.0
        self._left = mx.ones((ROWS, INNER))
        self._right = mx.ones((OUTER, INNER))
        self.chosen: int | None = None
        """The present number; None where nobody chose."""

    def settle(self) -> None:
        """Measure if it is time to, and keep what was fastest."""
        now = time.monotonic()
        if blas_threads() is None or now < self._due:
            return
        self.chosen = min(self._choices, key=self._seconds)
        set_blas_threads(self.chosen)
        self._due = time.monotonic() + EVERY

    def _seconds(self, count: int) -> float:
        set_blas_threads(count)
        mx.eval(self._left @ self._right.T)  # the threads of a new number are started outside the measurement
        began = time.perf_counter()
        for _ in range(ROUNDS):
            mx.eval(self._left @ self._right.T)
        return time.perf_counter() - began
