"""How a credential rests after refusals."""

from typing import Final

from loop.errors import FailureKind
from loop.types import Failure, Record

HOUR: Final = 3600.0
FIRST_REST: Final = 15 * 60.0
"""After a refusal that names no time; doubles with every further one."""
LONGEST_REST: Final = 4 * HOUR
OWNERS_REST: Final = HOUR
"""Between trials of a credential that only its owner can mend: key, plan, set-up."""
GRACE: Final = 90.0
"""Seconds added to a reset that was told: providers cut it to the minute."""
JITTER: Final = 60.0


class CredentialRest(Record):
    """How a credential rests, and after how many refusals in a row."""

    until: float = 0.0
    """Seconds since the epoch; from then on one play at a time tries whether it works again."""
    failures: int = 0
    """0: it works."""
    reason: str = ""
    """Redacted evidence."""


def rest_after(failure: Failure | None, before: CredentialRest, now: float, jitter: float = 0.5) -> CredentialRest:
    """Decide how long a credential rests after a play.

    Args:
        failure: what the worker returned; None after a play that was played.
        before: how it rested until now.
        now: seconds since the epoch.
        jitter: 0..1, so that many credentials do not wake together.
    """
    if failure is None:
        return CredentialRest()
    failures, stated = before.failures + 1, failure.retry_at is not None and failure.retry_at > now
    match failure.kind:
        case FailureKind.QUOTA if stated:
            until = (failure.retry_at or now) + GRACE + JITTER * jitter
        case FailureKind.QUOTA:
            until = now + float(min(FIRST_REST * 2.0 ** (failures - 1), LONGEST_REST)) + JITTER * jitter
        case FailureKind.AUTH | FailureKind.FATAL:
            until = now + OWNERS_REST
        case FailureKind.RETRYABLE if stated:
            until = failure.retry_at or now
        case _:
            return before
    return CredentialRest(until=until, failures=failures, reason=f"{failure.kind}: {failure.message}"[:500])
