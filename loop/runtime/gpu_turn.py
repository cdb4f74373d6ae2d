"""Mutual exclusion on the GPU between processes: one computes at a time, and those that answer people come first.

Two locked files do it, and the kernel unlocks them when a process ends, however it ends. Who computes holds
`gpu.lock`, and takes `gpu-queue.lock` before it. A child of the loop lets go of the queue as soon as it has the GPU,
and looks between two pieces of its work whether somebody waits. A server for people keeps the queue for as long as it
has something to answer, so that the loop's child halts after its present piece and goes on with the next one later.
Nothing that it computes is different.

A third file, `gpu-window.lock`, is a barrier for work of the loop that can halt for hours: while the daemon has it,
outside the hours in which the GPU may be used, a trainer computes no further piece. After a while it gives back its
memory too: `acquire` raises `Closed`.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

Kind = Literal["loop", "people"]
VARIABLE: Final = "LOOPD_TURN"
"""Tells a child its kind, for how many seconds it may keep its memory while it halts, and where the locks are:
`loop:300:/path/run`."""
GPU: Final = "gpu.lock"
QUEUE: Final = "gpu-queue.lock"
WINDOW: Final = "gpu-window.lock"
KEEP: Final = 300.0
"""Seconds for which a child keeps its memory while it halts outside the loop's windows."""
LOOK: Final = 0.2
"""Seconds between two looks whether the window is open again."""
QUANTUM: Final = 5.0
"""Seconds after which a server for people lets one piece of somebody else's work through."""
GAP: Final = 0.005
"""Seconds for which both locks are free then."""
LINGER: Final = 0.5
"""Seconds for which a server for people keeps the GPU after an answer: the next request often follows at once."""


class Closed(Exception):
    """The loop's window has been closed for as long as a child keeps its memory."""


class Barrier:
    """The daemon's side of the loop's window: while it is closed, who halts for windows computes no further piece."""

    def __init__(self, directory: Path) -> None:
        """Find it; it is open."""
        self._lock = _open(directory / WINDOW)

    def close(self) -> None:
        """Let nobody pass."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def open(self) -> None:
        """Let all pass, as the kernel does when the daemon ends."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)


class GpuTurn:
    """One process's side. Use it from the thread that computes: between `acquire` and `release` nobody else does."""

    def __init__(self, directory: Path | None, kind: Kind = "loop", keep: float | None = None) -> None:
        """Open the locks.

        Args:
            directory: where they are; None for a process that has the machine to itself.
            kind: whether it works for the loop or answers people.
            keep: seconds for which it halts while the loop's window is closed, before `acquire` raises `Closed`; None
                for a process that the window does not bind.
        """
        self.people = kind == "people"
        self._locks = None if directory is None else (_open(directory / QUEUE), _open(directory / GPU))
        self._window = None if directory is None or keep is None else _open(directory / WINDOW)
        self._keep = keep or 0.0
        self._since: float | None = None

    @classmethod
    def given(cls, environ: Mapping[str, str], *, halts: bool = False) -> "GpuTurn":
        """Read what the parent said; without a word of it, the machine is this process's own.

        Args:
            environ: the process's environment.
            halts: whether its work can halt for as long as the loop's window is closed, and be taken up again.
        """
        kind, _, rest = environ.get(VARIABLE, "").partition(":")
        keep, _, directory = rest.partition(":")
        place = Path(directory) if directory else None
        return cls(place, "people" if kind == "people" else "loop", float(keep) if place and halts else None)

    @property
    def linger(self) -> float | None:
        """Seconds for which an idle process keeps the GPU; None for no time."""
        return LINGER if self.people and self._since is not None else None

    def acquire(self, settle: Callable[[], object] = lambda: None) -> None:
        """Be the one that computes; waits for the others where it is their turn. Call it before each piece of work.

        Args:
            settle: called where the GPU is given away first: it waits until what was begun is computed.

        Raises:
            Closed: the loop's window stays closed.
        """
        if self._locks is None or (self._since is not None and not self._due()):
            return
        if self._since is not None:
            settle()
            self.release()
            if self.people:
                time.sleep(GAP)
        self._pass()
        queue, gpu = self._locks
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(gpu, fcntl.LOCK_EX)
        if not self.people:
            fcntl.flock(queue, fcntl.LOCK_UN)
        self._since = time.monotonic()

    def release(self) -> None:
        """Let somebody else compute. Nothing that was begun may still be computed."""
        if self._locks is not None and self._since is not None:
            self._since = None
            for lock in reversed(self._locks):
                fcntl.flock(lock, fcntl.LOCK_UN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the GPU for the block."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _due(self) -> bool:
        """Whether it is time to let somebody else through."""
        assert self._locks is not None
        assert self._since is not None
        if self.people:
            return time.monotonic() - self._since > QUANTUM
        return not (_free(self._locks[0]) and self._passes())

    def _passes(self) -> bool:
        return self._window is None or _free(self._window, fcntl.LOCK_SH)

    def _pass(self) -> None:
        """Wait at the barrier of the loop's window."""
        until = time.monotonic() + self._keep
        while not self._passes():
            if time.monotonic() >= until:
                raise Closed
            time.sleep(LOOK)


def turn_environment(directory: Path, kind: Kind, keep: float = KEEP) -> dict[str, str]:
    """Give the environment of a child that `GpuTurn.given` reads."""
    return {VARIABLE: f"{kind}:{keep}:{directory}"}


def _free(lock: int, how: int = fcntl.LOCK_EX) -> bool:
    """Whether nobody holds a lock."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
