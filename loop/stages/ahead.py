"""While the trainer has the GPU, teachers play the lessons of the next round, and checkers judge them.

The lessons are owed to the next round like any other play: what is not played when the training ends is played in its
turn, and a kill loses what was in flight.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from loop.parts import Loop
from loop.stages import checking, collecting, room, sampling
from loop.types import Play, Purpose, Round

log = structlog.get_logger()
LAST: Final = 60.0
"""Seconds before the training's end from which on no lesson begins: the gates need not wait for it then."""
JUDGED: Final = 32
"""Lessons after which checkers judge what was played."""
UNPLAYED: Final = "the round ended without it"


@contextmanager
def teaching(loop: Loop, rnd: Round) -> Iterator[None]:
    """Work for the next round for as long as the block lasts; its end waits for the lessons that are under way."""
    if not _wanted(loop):
        yield
        return
    lessons = Lessons(loop, rnd)
    lessons.start()
    try:
        yield
    except BaseException:
        lessons.drop()
        raise
    lessons.finish()


def give_up(loop: Loop, rnd: Round) -> None:
    """Owe no more lessons to a round that plays nothing."""
    loop.store.plays.abandon(loop.store.plays.owed(rnd, Purpose.TRAIN), UNPLAYED)


def _wanted(loop: Loop) -> bool:
    """Whether there is a next round, and lessons in it."""
    sampling = loop.config.sampling
    last = loop.config.rounds is not None and len(loop.finished) + 1 >= loop.config.rounds
    return sampling.ahead and sampling.teacher_tasks > 0 and bool(loop.config.teachers) and not last


class Lessons:
    """The next round's lessons, played and judged in a thread."""

    def __init__(self, loop: Loop, rnd: Round) -> None:
        self._loop, self._rnd = loop, rnd
        self._ending, self._dropped = threading.Event(), False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lessons", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Begin no more lessons, wait for those under way, and hand on what went wrong.

        Raises:
            Stopped: somebody asked to stop meanwhile.
        """
        self._ending.set()
        try:
            while self._thread.is_alive():
                with self._loop.stop.waiting():
                    self._thread.join()
        except BaseException:
            self.drop()
            raise
        self._loop.board.update(ahead="")
        if self._error is not None:
            raise self._error

    def drop(self) -> None:
        """Store nothing more: what is under way stays owed."""
        self._dropped = True
        self._ending.set()

    def _run(self) -> None:
        try:
            self._teach()
        except BaseException as error:  # noqa: BLE001 - it is handed on to the thread that waits for this one
            self._error = error

    def _teach(self) -> None:
        rnd = self._owed()
        if rnd is None:
            return
        unjudged = 0
        with structlog.contextvars.bound_contextvars(round=rnd.id, stage="ahead"):
            for _ in self._played(rnd):
                unjudged += 1
                if unjudged == JUDGED:
                    self._judge(rnd)
                    unjudged = 0
            self._judge(rnd)

    def _owed(self) -> Round | None:
        """Open the next round, unless there is nothing to teach, and owe its lessons once."""
        loop = self._loop
        opened = loop.store.rounds.opened_after(self._rnd)
        if opened is not None and loop.store.plays.progress(opened)[1]:
            return opened
        requests = sampling.lessons(loop, self._rnd)
        if not requests:
            return None
        rnd = opened or loop.store.rounds.open_after(self._rnd, loop.config.digest, loop.config.seed)
        owing = sampling.owing(loop, rnd, requests)
        loop.store.plays.owe(rnd, owing.tasks, owing.plays)
        return rnd

    def _played(self, rnd: Round) -> Iterator[str]:
        loop, stops = self._loop, collecting.referees(self._loop)
        owed = [play.model_copy(update={"referees": stops}) for play in loop.store.plays.owed(rnd, Purpose.TRAIN)]
        admitted = loop.cashier.admitted(self._in_time(collecting.longest_first(owed)), patient=True)
        for play, trajectory in loop.pool.run(admitted):
            if self._dropped:
                return
            loop.cashier.settle(play, trajectory)
            loop.tracing.played(play, trajectory)
            loop.store.plays.finish(play, trajectory)
            done, total = loop.store.plays.progress(rnd)
            loop.board.update(ahead=f"round {rnd.id}: {done} of {total} lessons")
            yield play.id

    def _in_time(self, plays: Iterable[Play]) -> Iterator[Play]:
        for play in room.while_there_is(self._loop, plays):
            left = self._loop.board.now.seconds_left
            if self._ending.is_set() or (left is not None and left < LAST):
                return
            yield play

    def _judge(self, rnd: Round) -> None:
        for _ in checking.judged_now(self._loop, rnd):
            if self._ending.is_set():
                return
