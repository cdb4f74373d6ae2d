"""How many threads OpenBLAS should use just now, on Linux.

OpenBLAS cuts a product in equal parts and spins until the last is done. On an idle machine two threads are nearly
twice as fast as one. Where another process wants a core, each product waits for a thread that is not running: a
decoding step of 0.4 s with one thread took more than 6 s with two. So it is measured again and again, with products
of the size that decoding has, and the faster setting is kept.
"""

import ctypes
import os
import time
from typing import Any, Final

import mlx.core as mx

EVERY: Final = 20.0
"""Seconds from one measurement to the next."""
ROUNDS: Final = 8
"""Products a measurement: about ten milliseconds on an idle machine."""
ROWS, INNER, OUTER = 32, 576, 1536


class Threads:
    """Chooses OpenBLAS's number of threads. Does nothing where there is no OpenBLAS."""

    def __init__(self) -> None:
        """Look for OpenBLAS among the loaded libraries."""
        self._set: Any = getattr(ctypes.CDLL(None), "openblas_set_num_threads", None)
        self._choices = sorted({1, os.cpu_count() or 1})
        self._due = 0.0
        self._left = mx.ones((ROWS, INNER))
        self._right = mx.ones((OUTER, INNER))
        self.chosen: int | None = None
        """The present number; None where nobody chose."""

    def settle(self) -> None:
        """Measure if it is time to, and keep what was fastest."""
        now = time.monotonic()
        if self._set is None or now < self._due:
            return
        self.chosen = min(self._choices, key=self._seconds)
        self._set(self.chosen)
        self._due = time.monotonic() + EVERY

    def _seconds(self, count: int) -> float:
        self._set(count)
        mx.eval(self._left @ self._right.T)  # the threads of a new number are started outside the measurement
        began = time.perf_counter()
        for _ in range(ROUNDS):
            mx.eval(self._left @ self._right.T)
        return time.perf_counter() - began
