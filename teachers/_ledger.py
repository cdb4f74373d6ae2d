"""Who may spend how much, and when: budgets, rests and the quota gate as pure decisions.

The daemon keeps the ledger (it is the only writer of the store); workers return `Usage` and `Failure`. A teacher's
play is allowed by `next_allowed`, its worst case is reserved first and settled after, so a crash in between
over-counts and never under-counts.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from pydantic import Field

from loop.errors import FailureKind
from loop.types import Failure, Record, Usage

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
FIRST_REST: Final = 15 * 60.0
"""After a refusal that names no time; doubles with every further one."""
LONGEST_REST: Final = 4 * HOUR
OWNERS_REST: Final = HOUR
"""Between trials of a credential that only its owner can mend: key, plan, set-up."""
GRACE: Final = 90.0
"""Seconds added to a reset that was told: providers cut it to the minute."""
JITTER: Final = 60.0
SPENT: Final = 0.999
"""A window used to this share is spent."""
LOOK_AGAIN: Final = 300.0
"""Until a budget of a rolling period may have room again."""


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
            "money": (usage.cost, self.cost),
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


class Window(Record):
    """One of a provider's own limits, as it tells it."""

    name: str
    used: float = Field(ge=0)
    """Share, 0..1."""
    resets_at: float | None = None
    """Seconds since the epoch."""


class Rest(Record):
    """How a credential rests, and after how many refusals in a row."""

    until: float = 0.0
    """Seconds since the epoch; from then on one play at a time tries whether it works again."""
    failures: int = 0
    """0: it works."""
    reason: str = ""
    """Redacted evidence."""


class Decision(Record):
    """Whether a credential's next play may start."""

    allowed: bool
    reason: str = ""
    retry_at: float | None = None
    """When to ask again, in seconds since the epoch; None: when a play ends or the round does."""


class Ledger(Protocol):
    """What is kept of every credential, over restarts; the store fulfils it."""

    def reserve(self, teacher: str, most: Usage, *, play: str | None = None, round: int | None = None) -> int:  # noqa: A002 - a round's word everywhere
        """Write the worst case down before a play starts; returns the reservation's number."""
        ...

    def settle(self, call: int, usage: Usage, outcome: str = "ok") -> None:
        """Replace a reservation by what was used. One that is never settled counts as spent in full."""
        ...

    def spent(self, teacher: str | None = None, *, since: int = 0, round: int | None = None) -> Usage:  # noqa: A002 - a round's word everywhere
        """Add up what was used or is reserved; `since` in microseconds since the epoch."""
        ...


def next_allowed(  # noqa: PLR0913 - everything that a decision rests on, each by name
    spend: Spend,
    limits: Limits,
    now: float,
    *,
    wanted: Usage = Usage(),  # noqa: B008 - frozen
    rest: Rest = Rest(),  # noqa: B008 - frozen
    windows: Iterable[Window] = (),
    cheaper_at: float | None = None,
) -> Decision:
    """Decide whether a play that may use `wanted` can start now."""
    if rest.failures and now < rest.until:
        return Decision(allowed=False, reason=f"resting: {rest.reason}", retry_at=rest.until)
    if limits.off_peak and cheaper_at is not None and cheaper_at > now:
        return Decision(allowed=False, reason="waiting for the cheaper hours", retry_at=cheaper_at)
    fresh = [window for window in windows if window.resets_at is None or window.resets_at > now]
    return (
        _over_budget(spend, limits, wanted, now)
        or _used_up(fresh, now)
        or _too_many(spend, limits, fresh, trying=rest.failures > 0)
        or Decision(allowed=True)
    )


def _over_budget(spend: Spend, limits: Limits, wanted: Usage, now: float) -> Decision | None:
    periods = (
        ("hour", limits.hour, spend.hour, now + LOOK_AGAIN),
        ("day", limits.day, spend.day, now + LOOK_AGAIN),
        ("round", limits.round, spend.round, None),
    )
    for name, cap, used, retry_at in periods:
        if bound := cap.exceeded(used + wanted):
            return Decision(allowed=False, reason=f"this {name}'s budget of {bound} is spent", retry_at=retry_at)
    return None


def _used_up(windows: list[Window], now: float) -> Decision | None:
    spent = [window for window in windows if window.used >= SPENT]
    if not spent:
        return None
    resets = [window.resets_at for window in spent if window.resets_at is not None]
    retry_at = max(resets) + GRACE if resets else now + FIRST_REST
    return Decision(allowed=False, reason=f"{spent[0].name} is used up", retry_at=retry_at)


def _too_many(spend: Spend, limits: Limits, windows: list[Window], *, trying: bool) -> Decision | None:
    slow = next((window.name for window in windows if window.used >= limits.slow_at), None)
    most = 1 if trying or slow else limits.concurrency
    if spend.running < most:
        return None
    if trying:
        return Decision(allowed=False, reason="one play tries whether it works again")
    return Decision(
        allowed=False, reason=f"{slow} is nearly used up: one play at a time" if slow else f"{most} at once"
    )


def rest_after(failure: Failure | None, before: Rest, now: float, jitter: float = 0.5) -> Rest:
    """Decide how long a credential rests after a play.

    Args:
        failure: what the worker returned; None after a play that was played.
        before: how it rested until now.
        now: seconds since the epoch.
        jitter: 0..1, so that many credentials do not wake together.
    """
    if failure is None:
        return Rest()
    failures, told = before.failures + 1, failure.retry_at is not None and failure.retry_at > now
    match failure.kind:
        case FailureKind.QUOTA if told:
            until = (failure.retry_at or now) + GRACE + JITTER * jitter
        case FailureKind.QUOTA:
            until = now + float(min(FIRST_REST * 2.0 ** (failures - 1), LONGEST_REST)) + JITTER * jitter
        case FailureKind.AUTH | FailureKind.FATAL:
            until = now + OWNERS_REST
        case FailureKind.RETRYABLE if told:
            until = failure.retry_at or now
        case _:
            return before
    return Rest(until=until, failures=failures, reason=f"{failure.kind}: {failure.message}"[:500])


def charged(reserved: Usage, used: Usage, *, failed: bool) -> Usage:
    """Say what a play is charged: what was used; where it failed, no less than was reserved.

    A failed step may have cost tokens that nobody counted.
    """
    if not failed:
        return used
    mine, theirs = used.model_dump(), reserved.model_dump()
    return Usage(**{name: max(mine[name], theirs[name]) for name in mine})
