"""Where the loop's time goes: into work that needs somebody to play or the GPU, into waiting, or into neither."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from loop.types import Spent

MICROSECONDS: Final = 1_000_000


class Stopwatch:
    """Adds up what the loop's own thread does."""

    def __init__(self) -> None:
        self._worked = self._waited = 0.0

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count a block in which somebody plays, trains or measures; what was waited within is left out."""
        begun, before = time.monotonic(), self._worked + self._waited
        try:
            yield
        finally:
            within = self._worked + self._waited - before
            self._worked += max(0.0, time.monotonic() - begun - within)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count a block in which nothing may be done."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - begun

    @property
    def spent(self) -> Spent:
        """What was counted so far."""
        return Spent(worked=round(self._worked * MICROSECONDS), waited=round(self._waited * MICROSECONDS))
