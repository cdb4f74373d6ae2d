"""The account that the daemon keeps for each credential: ask before a play, note its start, note its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loop.errors import FailureKind, ProviderError
from loop.types import Failure, Play, Task, Trajectory, Usage
from teachers.base.teacher import Teacher
from teachers.budget.decision import SpendDecision, next_allowed
from teachers.budget.ledger import SpendLedger, charged
from teachers.budget.limits import Limits, Spending, Window
from teachers.budget.rest import HOUR, CredentialRest, rest_after

WINDOWS_KEPT = 600.0
"""Seconds for which the provider's own account of its quota is believed."""
MICROSECONDS = 1_000_000
DAY = 24 * HOUR


@dataclass
class Account:
    """One credential's account.

    `rest` is the daemon's to keep: it is read from the store, and written back on change.
    """

    teacher: Teacher
    ledger: SpendLedger
    limits: Limits = field(default_factory=Limits)
    rest: CredentialRest = field(default_factory=CredentialRest)
    clock: Callable[[], float] = time.time
    _running: dict[str, tuple[int, Usage]] = field(default_factory=dict)
    """Reservation and worst case of each play under way."""
    _windows: tuple[Window, ...] = ()
    _windows_at: float = 0.0

    @property
    def key(self) -> str:
        """The name in the ledger."""
        return self.teacher.credential or self.teacher.name

    @property
    def busy(self) -> bool:
        """Whether a play of this credential is under way."""
        return bool(self._running)

    def started(self, play: Play) -> bool:
        """Whether this play is under way."""
        return play.id in self._running

    def decide(self, task: Task, round_id: int) -> SpendDecision:
        """Say whether a play of the task may start now. A teacher that is free and without limits always may."""
        if self.teacher.credential is None:
            return SpendDecision(allowed=True)
        now = self.clock()
        ready = not self.rest.failures or now >= self.rest.until
        return next_allowed(
            self._spend(round_id, now),
            self.limits,
            now,
            wanted=self.teacher.estimate(task),
            rest=self.rest,
            windows=self._windows_now(now) if ready else (),
            cheaper_at=self.teacher.cheaper_at(now),
        )

    def start(self, play: Play) -> None:
        """Reserve a play's worst case. Call it before the play is handed out."""
        worst = self.teacher.estimate(play.task)
        number = self.ledger.reserve(self.key, worst, play=play.id, round=play.round)
        self._running[play.id] = (number, worst)

    def end(self, play: Play, trajectory: Trajectory) -> CredentialRest:
        """Settle a play and say how the credential rests from now on."""
        number, worst = self._running.pop(play.id)
        failure = trajectory.failure
        used = charged(worst, trajectory.usage, failed=failure is not None and _reached(failure))
        self.ledger.settle(number, used, "ok" if failure is None else str(failure.kind))
        self.rest = rest_after(failure, self.rest, self.clock())
        return self.rest

    def _spend(self, round_id: int, now: float) -> Spending:
        return Spending(
            hour=self.ledger.spent(self.key, since=int((now - HOUR) * MICROSECONDS)),
            day=self.ledger.spent(self.key, since=int((now - DAY) * MICROSECONDS)),
            round=self.ledger.spent(self.key, round=round_id),
            running=len(self._running),
        )

    def _windows_now(self, now: float) -> tuple[Window, ...]:
        if now - self._windows_at >= WINDOWS_KEPT:
            self._windows_at = now
            try:
                self._windows = self.teacher.windows()
            except ProviderError:
                self._windows = ()  # the play itself will tell
        return self._windows


def _reached(failure: Failure) -> bool:
    """Whether a failed play may have cost something: a refused key or a rest costs nothing."""
    return failure.kind not in {FailureKind.AUTH, FailureKind.QUOTA, FailureKind.FATAL}
