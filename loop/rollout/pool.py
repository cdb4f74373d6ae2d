"""Where plays run: many at a time, each coming back exactly once, in whatever order they finish."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import SimpleQueue
from threading import Thread, current_thread
from types import TracebackType
from typing import Protocol, Self

from loop.errors import FailureKind, LoopdError
from loop.rollout import play as rollout
from loop.types import End, Failure, Play, Trajectory

Outcome = tuple[Play, Trajectory]


class Pool(Protocol):
    """Runs plays for as long as its block lasts: `with pool: for play, trajectory in pool.run(plays): ...`."""

    def __enter__(self) -> Self:
        """Start the workers; returns at once."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Cancel what is in flight and end every worker."""
        ...

    def run(self, plays: Iterable[Play]) -> Iterator[Outcome]:
        """Play each play once; yield each as it finishes. `plays` is read only as far as workers are free.

        Closing the iterator cancels what is in flight: those plays never come back and stay owed. A worker that goes
        away gives its plays back as `End.FAILED` with `FailureKind.LOST`.

        Raises:
            ProviderError: no worker can be had any more (FATAL).
        """
        ...


class LocalPool:
    """Threads of this process, one a play: a play waits for the student's server nearly all of the time.

    Args:
        workers: Plays in flight.
        play: How one is played.
        grace: Seconds that leaving the block waits for cancelled plays; a thread cannot be stopped from outside.
    """

    def __init__(self, workers: int, play: Callable[[Play], Trajectory] = rollout.play, grace: float = 5.0) -> None:
        self._workers, self._play, self._grace = workers, play, grace
        self._threads = set[Thread]()

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for cancelled plays, though not for ever: they are daemon threads and end with the process."""
        deadline = time.monotonic() + self._grace
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def run(self, plays: Iterable[Play]) -> Iterator[Outcome]:
        """Play each play once; yield each as it finishes."""
        owed, done, flying = iter(plays), SimpleQueue[Outcome](), 0
        while flying := flying + self._start(islice(owed, self._workers - flying), done):
            yield done.get()
            flying -= 1

    def _start(self, plays: Iterable[Play], done: "SimpleQueue[Outcome]") -> int:
        threads = [Thread(target=self._one, args=(play, done), name=play.id, daemon=True) for play in plays]
        self._threads.update(threads)
        for thread in threads:
            thread.start()
        return len(threads)

    def _one(self, job: Play, done: "SimpleQueue[Outcome]") -> None:
        done.put((job, guarded(self._play, job)))
        self._threads.discard(current_thread())


def guarded(play: Callable[[Play], Trajectory], job: Play) -> Trajectory:
    """Play, and turn whatever escapes into a play that failed: one play's error never ends the others."""
    try:
        return play(job)
    except LoopdError as error:
        return failed(job, FailureKind.FATAL, str(error))
    except BaseException as error:  # noqa: BLE001 - a worker lives on after SystemExit too; it is recorded on the play
        return failed(job, FailureKind.LOST, f"{type(error).__name__}: {error}")


def failed(job: Play, kind: FailureKind, message: str) -> Trajectory:
    """Record that a play was not played."""
    return Trajectory(
        task=job.task.id,
        player=job.player_name,
        policy=job.policy,
        sample=job.sample,
        seed=job.seed,
        rule=job.rule,
        end=End.FAILED,
        failure=Failure(kind=kind, message=message[:2000]),
    )
