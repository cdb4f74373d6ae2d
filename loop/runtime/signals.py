"""How the daemon is asked to stop: the first signal ends it between two writes, the second at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(BaseException):
    """Somebody asked the daemon to stop. No error: nothing may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C; 0 for SIGTERM, which is how a service manager or `loopd stop` ends a healthy daemon."""
        return 130 if self.number == signal.SIGINT else 0


class StopRequest:
    """The request to stop. Between writes the daemon asks for it; while it waits for others it is interrupted."""

    def __init__(self) -> None:
        self._asked: int | None = None
        self._waiting = False

    def listen(self) -> None:
        """Take over SIGINT and SIGTERM; the main thread only."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def ask(self, number: int = signal.SIGTERM) -> None:
        """Ask from inside, as a signal would."""
        self._asked = number

    def check(self) -> None:
        """End here if asked.

        Raises:
            Stopped: somebody asked.
        """
        if self._asked is not None:
            raise Stopped(self._asked)

    def each(self, source: Iterator[T]) -> Iterator[T]:
        """Hand items on; the wait for the next one may be interrupted, the work done with it may not."""
        end: Any = object()
        while (item := self._next(source, end)) is not end:
            yield item

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let a signal interrupt what happens inside: no writes here."""
        self.check()
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _next(self, source: Iterator[T], end: Any) -> Any:  # noqa: ANN401 - an item or the mark of the end
        with self.waiting():
            return next(source, end)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._asked is not None:
            os._exit(128 + number)
        self._asked = number
        if self._waiting:
            self._waiting = False
            raise Stopped(number)


def wait() -> None:
    """Wait for Ctrl-C or SIGTERM; the main thread only."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
