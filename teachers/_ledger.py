"""Who may spend how much, and when: budgets, parking and the quota gate as pure decisions.

The daemon keeps the ledger (it is the only writer of the store); workers return `Usage` and `Failure`. Before a
teacher's play is handed out, `next_allowed` decides; the play's worst case is reserved first and settled after, so a
crash in between over-counts and never under-counts.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Protocol

from pydantic import Field

from loop.errors import FailureKind
from loop.types import Failure, Record, Usage

HOUR: Final = timedelta(hours=1).total_seconds()
FIRST_REST: Final = 15 * 60.0
LONGEST_REST: Final = 4 * HOUR
OPERATOR_REST: Final = HOUR
"""Between probes of a credential that only its owner can mend: money, plan, key."""
GRACE: Final = 90.0
"""Seconds added to a reset that was told: providers cut it to the minute."""
JITTER: Final = 60.0
CONFIRMED: Final = 0.999
"""A window used to this share is spent."""


class Cap(Record):
    """The most that may be spent in one period; None: no bound."""

    tokens: int | None = Field(default=None, ge=0)
    requests: int | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0)
    """US dollars."""

    def exceeded(self, usage: Usage) -> str | None:
        """Name the first bound that a usage breaks."""
        spent = {
            "tokens": (usage.prompt_tokens + usage.completion_tokens, self.tokens),
            "requests": (usage.requests, self.requests),
            "cost": (usage.cost, self.cost),
        }
        return next((name for name, (used, most) in spent.items() if most is not None and used > most), None)


class Limits(Record):
    """What a credential may spend, and how carefully."""

    hour: Cap = Cap()
    day: Cap = Cap()
    round: Cap = Cap()
    concurrency: int = Field(default=8, ge=1)
    """Plays at once."""
    slow_at: float = Field(default=0.95, gt=0, le=1)
    """From this share of a provider's window on, one play at a time."""
    off_peak: bool = False
    """Wait for the cheaper hours."""


class Spend(Record):
    """What a credential has used, reservations included."""

    hour: Usage = Usage()
    """In the last 60 minutes."""
    day: Usage = Usage()
    """In the last 24 hours."""
    round: Usage = Usage()
    running: int = 0
    """Plays under way."""
    hour_frees_at: float | None = None
    """When the oldest entry of the hour leaves it."""
    day_frees_at: float | None = None


class Window(Record):
    """One of a provider's own limits, as it tells it."""

    name: str
    used: float = Field(ge=0)
    """Share, 0..1."""
    resets_at: float | None = None
    """Seconds since the epoch."""


class Parking(Record):
    """A credential at rest."""

    until: float
    """Seconds since the epoch; from then on one play at a time tries whether it works again."""
    kind: FailureKind
    reason: str
    """Redacted evidence."""
    refusals: int = 1
    """How often in a row the provider refused."""
    operator: bool = False
    """Whether only its owner can mend it. It is tried once an hour all the same."""


class Decision(Record):
    """Whether a credential's next play may start."""

    allowed: bool
    reason: str = ""
    retry_at: float | None = None
    """When to ask again; None: when something else changes."""


class Ledger(Protocol):
    """What the daemon's store keeps of every credential. Times are seconds since the epoch."""

    def reserve(self, credential: str, round_id: int, usage: Usage, now: float) -> str:
        """Write the worst case down before a play starts; returns the reservation's id."""
        ...

    def settle(self, reservation: str, usage: Usage) -> None:
        """Replace a reservation by what was used. One that is never settled counts as spent in full."""
        ...

    def spend(self, credential: str, round_id: int, now: float) -> Spend:
        """Add up what was used and is reserved."""
        ...

    def park(self, credential: str, parking: Parking | None) -> None:
        """Keep how a credential rests, over restarts; None: it works again."""
        ...

    def parked(self, credential: str) -> Parking | None:
        """Look up how a credential rests."""
        ...


def next_allowed(  # noqa: PLR0913 - everything that a decision rests on, each by name
    spend: Spend,
    limits: Limits,
    now: float,
    *,
    wanted: Usage = Usage(),  # noqa: B008 - frozen
    parking: Parking | None = None,
    windows: Iterable[Window] = (),
    cheaper_at: float | None = None,
) -> Decision:
    """Decide whether a play that may use `wanted` can start now."""
    if parking is not None and now < parking.until:
        return Decision(allowed=False, reason=f"resting: {parking.reason}", retry_at=parking.until)
    if limits.off_peak and cheaper_at is not None and cheaper_at > now:
        return Decision(allowed=False, reason="waiting for the cheaper hours", retry_at=cheaper_at)
    return _over_budget(spend, limits, wanted) or _too_many(spend, limits, now, parking, tuple(windows))


def _over_budget(spend: Spend, limits: Limits, wanted: Usage) -> Decision | None:
    periods = (
        ("hour", limits.hour, spend.hour, spend.hour_frees_at),
        ("day", limits.day, spend.day, spend.day_frees_at),
        ("round", limits.round, spend.round, None),
    )
    for name, cap, used, frees_at in periods:
        if bound := cap.exceeded(used + wanted):
            reason = f"the budget of {bound} for this {name} is spent"
            return Decision(allowed=False, reason=reason, retry_at=frees_at)
    return None


def _too_many(
    spend: Spend, limits: Limits, now: float, parking: Parking | None, windows: tuple[Window, ...]
) -> Decision:
    fresh = [window for window in windows if window.resets_at is None or window.resets_at > now]
    spent = [window for window in fresh if window.used >= CONFIRMED]
    if spent:
        resets = [window.resets_at for window in spent if window.resets_at is not None]
        return Decision(
            allowed=False, reason=f"{spent[0].name} is used up", retry_at=max(resets) + GRACE if resets else None
        )
    slow = next((window for window in fresh if window.used >= limits.slow_at), None)
    most = 1 if parking is not None or slow is not None else limits.concurrency
    if spend.running < most:
        return Decision(allowed=True)
    why = "one play at a time tries whether it works again" if parking else f"{most} at a time"
    return Decision(allowed=False, reason=why if slow is None else f"{slow.name} is nearly used up: one at a time")


def parked_after(failure: Failure, before: Parking | None, now: float, jitter: float = 0.5) -> Parking | None:
    """Decide how long a credential rests after a failed play; None where a rest would not help.

    Args:
        failure: what the worker returned.
        before: how it rested until now.
        now: seconds since the epoch.
        jitter: 0..1, so that many credentials do not wake together.
    """
    refusals = 1 + (before.refusals if before is not None else 0)
    match failure.kind:
        case FailureKind.QUOTA:
            until, operator = _quota_rest(failure, refusals, now, jitter), False
        case FailureKind.AUTH | FailureKind.FATAL:
            until, operator = now + OPERATOR_REST, True
        case _:
            return before
    return Parking(until=until, kind=failure.kind, reason=failure.message, refusals=refusals, operator=operator)


def _quota_rest(failure: Failure, refusals: int, now: float, jitter: float) -> float:
    if failure.retry_at is not None and failure.retry_at > now:
        return failure.retry_at + GRACE + JITTER * jitter
    return now + float(min(FIRST_REST * 2.0 ** (refusals - 1), LONGEST_REST)) + JITTER * jitter


def settled(reserved: Usage, used: Usage, *, failed: bool) -> Usage:
    """Say what a play is charged: what was used, or where it failed, at least what was reserved for its requests.

    A failed step may have cost tokens that nobody counted.
    """
    if not failed:
        return used
    mine, theirs = used.model_dump(), reserved.model_dump()
    return Usage(**{name: max(mine[name], theirs[name]) for name in mine})
