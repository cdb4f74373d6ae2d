"""Whether a credential's next play may start: budgets, rests and the provider's windows as one pure decision."""

from collections.abc import Iterable
from typing import Final

from loop.types import Record, Usage
from teachers.budget.limits import SPENT, Limits, Spending, Window
from teachers.budget.rest import FIRST_REST, GRACE, CredentialRest

LOOK_AGAIN: Final = 300.0
"""Until a budget of a rolling period may have room again."""


class SpendDecision(Record):
    """Whether a credential's next play may start."""

    allowed: bool
    reason: str = ""
    retry_at: float | None = None
    """When to ask again, in seconds since the epoch; None: when a play ends or the round does."""


def next_allowed(  # noqa: PLR0913 - everything that a decision rests on, each by name
    spend: Spending,
    limits: Limits,
    now: float,
    *,
    wanted: Usage = Usage(),  # noqa: B008 - frozen
    rest: CredentialRest = CredentialRest(),  # noqa: B008 - frozen
    windows: Iterable[Window] = (),
    cheaper_at: float | None = None,
) -> SpendDecision:
    """Decide whether a play that may use `wanted` can start now."""
    if rest.failures and now < rest.until:
        return SpendDecision(allowed=False, reason=f"resting: {rest.reason}", retry_at=rest.until)
    if limits.off_peak and cheaper_at is not None and cheaper_at > now:
        return SpendDecision(allowed=False, reason="waiting for the cheaper hours", retry_at=cheaper_at)
    fresh = [window for window in windows if window.resets_at is None or window.resets_at > now]
    return (
        _over_budget(spend, limits, wanted, now)
        or _used_up(fresh, now)
        or _too_many(spend, limits, fresh, trying=rest.failures > 0)
        or SpendDecision(allowed=True)
    )


def _over_budget(spend: Spending, limits: Limits, wanted: Usage, now: float) -> SpendDecision | None:
    periods = (
        ("hour", limits.hour, spend.hour, now + LOOK_AGAIN),
        ("day", limits.day, spend.day, now + LOOK_AGAIN),
        ("round", limits.round, spend.round, None),
    )
    for name, cap, used, retry_at in periods:
        if bound := cap.exceeded(used + wanted):
            return SpendDecision(allowed=False, reason=f"this {name}'s budget of {bound} is spent", retry_at=retry_at)
    return None


def _used_up(windows: list[Window], now: float) -> SpendDecision | None:
    spent = [window for window in windows if window.used >= SPENT]
    if not spent:
        return None
    resets = [window.resets_at for window in spent if window.resets_at is not None]
    retry_at = max(resets) + GRACE if resets else now + FIRST_REST
    return SpendDecision(allowed=False, reason=f"{spent[0].name} is used up", retry_at=retry_at)


def _too_many(spend: Spending, limits: Limits, windows: list[Window], *, trying: bool) -> SpendDecision | None:
    slow = next((window.name for window in windows if window.used >= limits.slow_at), None)
    most = 1 if trying or slow else limits.concurrency
    if spend.running < most:
        return None
    if trying:
        return SpendDecision(allowed=False, reason="one play tries whether it works again")
    return SpendDecision(
        allowed=False, reason=f"{slow} is nearly used up: one play at a time" if slow else f"{most} at once"
    )
