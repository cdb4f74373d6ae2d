"""What the daemon is doing, for everyone who looks: the live view, `loopd status`, the log."""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from loop.canonical import parse
from loop.errors import NotRunning
from loop.runtime.durable import replace_text
from loop.types import GateResult, Record, Round, RoundState

FILE: Final = "status.json"
SERVING: Final = "serve"
"""The stage of a process that answers people and runs no loop."""
AT_ONCE: Final = frozenset({"stage", "doing", "decision", "window"})
"""What is written down the moment it changes."""
STEADY: Final = 5.0
"""Seconds into a step before its rate is shown."""


class WinCount(Record):
    """How often something was won."""

    wins: int = 0
    plays: int = 0

    def plus(self, *, won: bool) -> "WinCount":
        """One more play."""
        return WinCount(wins=self.wins + won, plays=self.plays + 1)


class Progress(Record):
    """One moment of the daemon. Times are seconds since the epoch."""

    pid: int
    profile: str
    round: int = 0
    stage: str = "start"
    doing: str = ""
    """The step within the stage, in words."""
    done: int = 0
    total: int = 0
    unit: str = "plays"
    step_began: float = 0.0
    step_done: int = 0
    """How much of `done` had been there when the step began: a resumed stage does not count it in its rate."""
    tallies: Mapping[str, WinCount] = {}
    """Per player and backend, of this round: `student GorillaFileSystem`."""
    loss: float | None = None
    losses: tuple[float, ...] = ()
    foreseen_gb: float | None = None
    """What the training expects to hold, 10^9 bytes; and the most that it held so far."""
    peak_gb: float | None = None
    champion: str = ""
    student: str = ""
    """How it was last served: number type, device, engine."""
    endpoint: str = ""
    """Where the champion answers, or why it does not."""
    gates: tuple[GateResult, ...] = ()
    decision: str = ""
    """The last round's, with its reason."""
    audits: str = ""
    """The last win of this round that an audit took out, with its reason."""
    ahead: str = ""
    """What is done for the next round while this one trains."""
    window: str = ""
    """Why the loop's work on the GPU waits for its window; empty while that is open."""
    opens: float | None = None
    """When the clock opens it again, where that is known."""
    updated: float = 0.0

    @property
    def rate(self) -> float:
        """Units a minute since the step began."""
        minutes = (self.updated - self.step_began) / 60
        return (self.done - self.step_done) / minutes if minutes > 0 else 0.0

    @property
    def steady(self) -> bool:
        """Whether enough has been done for a rate to mean something."""
        return self.total > 0 and self.done > self.step_done and self.updated - self.step_began > STEADY

    @property
    def seconds_left(self) -> float | None:
        """Of this step, at its present rate."""
        return (self.total - self.done) / self.rate * 60 if self.rate > 0 else None


class Board:
    """Holds the present moment; every change is visible to other threads, and once a second in a file."""

    def __init__(self, run: Path, profile: str) -> None:
        self._path = run / FILE
        self._lock = threading.RLock()
        self._written = 0.0
        self._now = Progress(pid=os.getpid(), profile=profile, updated=time.time())

    @property
    def now(self) -> Progress:
        """The present moment."""
        with self._lock:
            return self._now

    def update(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of Progress, validated below
        """Change some fields."""
        with self._lock:
            self._now = Progress.model_validate({**dict(self._now), **changes, "updated": time.time()})
            if time.monotonic() - self._written > 1 or not AT_ONCE.isdisjoint(changes):
                self._write()

    def enter(self, rnd: Round, champion: str) -> None:
        """Begin a stage under a champion, as `Policy.shown` names it.

        What was counted for the last round, or for training plays, is not shown beside it.
        """
        old: dict[str, Any] = (
            {"losses": (), "loss": None, "foreseen_gb": None, "peak_gb": None, "audits": ""}
            if rnd.state is RoundState.SAMPLE
            else {}
        )
        if rnd.state in {RoundState.SAMPLE, RoundState.GATE}:
            old["tallies"] = {}
        begun = {"doing": "", "done": 0, "total": 0, "step_done": 0}
        self.update(round=rnd.id, stage=str(rnd.state), champion=champion, **begun, **old)

    def step(self, doing: str, total: int, done: int = 0, unit: str = "plays") -> None:
        """Begin a step within the stage."""
        self.update(doing=doing, total=total, done=done, step_done=done, unit=unit, step_began=time.time())

    def advance(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of Progress
        """Count one more unit of the step."""
        self.update(done=self.now.done + 1, **changes)

    def won(self, who: str, *, won: bool) -> None:
        """Count a judged play."""
        tallies = dict(self.now.tallies)
        tallies[who] = tallies.get(who, WinCount()).plus(won=won)
        self.update(tallies=tallies)

    def close(self) -> None:
        """Say that nobody is here any more."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        self._written = time.monotonic()
        replace_text(self._path, self.now.model_dump_json(), durable=False)


def find(run: Path) -> Progress | None:
    """Read what a running daemon last wrote; None where none runs."""
    try:
        return read(run)
    except NotRunning:
        return None


def read(run: Path) -> Progress:
    """Read what a running daemon last wrote.

    Raises:
        NotRunning: there is no such file, or the process that wrote it is gone.
    """
    try:
        progress = Progress.model_validate(parse((run / FILE).read_text(encoding="utf-8")))
        os.kill(progress.pid, 0)
    except (OSError, ValueError) as error:
        raise NotRunning from error
    return progress
