"""The loop's window on the GPU: the latest decision, kept fresh by a thread, and the barrier that halts a training."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from loop.control.progress import Board
from loop.runtime.gpu_turn import Barrier
from loop.store import Store
from loop.windows import decision
from loop.windows.decision import Decision
from loop.windows.limits import Windows
from loop.windows.machine import Machine

log = structlog.get_logger()
Told = Callable[[Decision], None]
EVERY: Final = 5.0
"""Seconds between two looks."""
PATIENCE: Final = 10.0
"""Seconds that the thread may take to end: a probe may be waiting for its program."""


class Window:
    """Says whether the loop may use the GPU, for as long as its block lasts."""

    def __init__(
        self,
        limits: Windows,
        run: Path,
        told: Told = lambda _: None,
        look: Callable[[Windows], Machine] = decision.look,
    ) -> None:
        """Prepare it.

        Args:
            limits: the settings.
            run: where the GPU's locks are.
            told: called with each decision that is not the one before; in the thread, except for the first.
            look: what looks at the machine.
        """
        self._limits, self._told, self._look = limits, told, look
        self._barrier = Barrier(run) if limits.bounded else None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="window", daemon=True)
        self._now = Decision(open=True)

    def __enter__(self) -> Self:
        """Decide at once, and go on deciding; where nothing is asked, it is always open."""
        if self._barrier is not None:
            self._decide()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Decide no more, and bar nobody."""
        self._ended.set()
        if self._barrier is not None:
            self._thread.join(PATIENCE)
            self._barrier.open()

    @property
    def now(self) -> Decision:
        """The latest decision."""
        return self._now

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            self._decide()

    def _decide(self) -> None:
        assert self._barrier is not None
        before, self._now = self._now, decision.decide(self._limits, time.time(), self._look(self._limits))
        if before.open and not self._now.open:
            self._barrier.close()
        if self._now.open and not before.open:
            self._barrier.open()
        if self._now != before:
            self._tell()

    def _tell(self) -> None:
        try:
            self._told(self._now)
        except Exception as error:  # noqa: BLE001 - a store that takes no event must not keep the window shut, or open
            log.warning("window_not_told", message=str(error))


def telling(board: Board, store: Store) -> Told:
    """Tell people on the board, and whoever follows the events when it opens and closes, and what cannot be told."""
    last = Decision(open=True)

    def told(now: Decision) -> None:
        nonlocal last
        before, last = last, now
        board.update(window=now.reason, opens=now.until)
        if now.unknown != before.unknown and now.unknown:
            log.warning("window_unknown", asked=now.unknown)
            store.events.record("window.unknown", asked=[*now.unknown])
        if now.open != before.open:
            log.info("window_opened" if now.open else "window_closed", reason=now.reason, until=now.until)
            store.events.record("window.opened" if now.open else "window.closed", reason=now.reason, until=now.until)

    return told
