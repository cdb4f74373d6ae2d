"""Whose turn it is to compute: of all the processes that use the GPU, one at a time, and people's first.

Two locked files do it, and the kernel unlocks them when a process ends, however it ends. Who computes holds
`compute.lock`; the way there leads through `door.lock`. A child of the loop lets go of the door as soon as it has the
lock, and looks between two pieces of its work whether somebody stands in the door by now. A server for people keeps the
door for as long as it has something to answer, so that the loop's child halts after its present piece, and goes on with
the next one afterwards: nothing that it computes is different.
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
"""Tells a child its kind and where the locks are: `people:/path/run`."""
COMPUTE: Final = "compute.lock"
DOOR: Final = "door.lock"
QUANTUM: Final = 5.0
"""Seconds after which whoever keeps the door lets one piece of somebody else's work through."""
BREATH: Final = 0.005
"""Seconds for which the door is open then."""
LINGER: Final = 0.5
"""Seconds for which a server for people keeps its turn after an answer: the next request often follows at once."""


class Turn:
    """One process's side. Use it from the thread that computes; between `take` and `leave` nobody else computes."""

    def __init__(self, directory: Path | None, kind: Kind = "loop") -> None:
        """Open the locks.

        Args:
            directory: where they are; None for a process that has the machine to itself.
            kind: whether it works for the loop or answers people.
        """
        self.people = kind == "people"
        self._locks = None if directory is None else (_open(directory / DOOR), _open(directory / COMPUTE))
        self._since: float | None = None

    @classmethod
    def given(cls, environ: Mapping[str, str]) -> "Turn":
        """Read what the parent said; without a word of it, the machine is this process's own."""
        kind, _, directory = environ.get(VARIABLE, "").partition(":")
        return cls(Path(directory) if directory else None, "people" if kind == "people" else "loop")

    @property
    def linger(self) -> float | None:
        """Seconds for which an idle process keeps its turn; None for no time."""
        return LINGER if self.people and self._since is not None else None

    def take(self, settle: Callable[[], object] = lambda: None) -> None:
        """Be the one that computes; waits for the others where it is their turn.

        Args:
            settle: called where the turn is given away first: it waits until what was begun is computed.
        """
        if self._locks is None or (self._since is not None and not self._due()):
            return
        if self._since is not None:
            settle()
            self.leave()
            if self.people:
                time.sleep(BREATH)
        door, compute = self._locks
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(compute, fcntl.LOCK_EX)
        if not self.people:
            fcntl.flock(door, fcntl.LOCK_UN)
        self._since = time.monotonic()

    def leave(self) -> None:
        """Let somebody else compute. Nothing that was begun may still be computed."""
        if self._locks is not None and self._since is not None:
            self._since = None
            for lock in reversed(self._locks):
                fcntl.flock(lock, fcntl.LOCK_UN)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn for the block."""
        self.take()
        try:
            yield
        finally:
            self.leave()

    def _due(self) -> bool:
        """Whether it is time to let somebody else through."""
        assert self._locks is not None
        assert self._since is not None
        if self.people:
            return time.monotonic() - self._since > QUANTUM
        try:
            fcntl.flock(self._locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._locks[0], fcntl.LOCK_UN)
        return False


def told(directory: Path, kind: Kind) -> dict[str, str]:
    """Say to a child what `Turn.given` reads."""
    return {VARIABLE: f"{kind}:{directory}"}


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
