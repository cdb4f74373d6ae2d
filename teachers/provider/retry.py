"""Asking again: the one place of the project where a failed request is repeated (tenacity).

A rest ordered by the provider (quota) is never waited for here: it goes to the daemon at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pydantic import Field
from tenacity import RetryCallState, Retrying, retry_if_exception
from tenacity.wait import wait_exponential_jitter

from loop.errors import FailureKind, ProviderError
from loop.types import Record, Reply, Usage

LONGEST_WAIT: Final = 60.0
UNKNOWN: Final = "unknown failure"
"""Begins what is said of a failure that no rule knows."""


class Patience(Record):
    """How often a step is asked again, by what went wrong, and how long between."""

    retryable: int = Field(default=4, ge=0, le=100)
    """A broken stream, a 5xx, a time-out."""
    unknown: int = Field(default=2, ge=0, le=100)
    """A failure that no rule knows; after these it is fatal."""
    bad_output: int = Field(default=2, ge=0, le=100)
    """An answer that is none; it is asked again with the complaint."""
    auth: int = Field(default=1, ge=0, le=100)
    """Another process may just have refreshed the credential."""
    first_wait: float = Field(default=1.0, ge=0, le=LONGEST_WAIT)
    """Seconds; doubles each time."""


class AttemptFailed(ProviderError):
    """One attempt gave no answer."""

    def __init__(  # noqa: PLR0913 - an attempt's whole evidence
        self,
        kind: FailureKind,
        message: str,
        *,
        retry_at: float | None = None,
        after: float | None = None,
        unknown: bool = False,
        usage: Usage = Usage(requests=1),  # noqa: B008 - frozen
    ) -> None:
        """Say what failed, how long the provider asks to wait (seconds), and what the attempt may have cost."""
        super().__init__(kind, message, retry_at)
        self.after = after
        self.unknown = unknown
        self.usage = usage


Ask = Callable[[tuple[str, ...]], Reply]
"""One attempt; its argument holds the complaints about earlier answers to the same question."""


@dataclass
class Persistence:
    """The attempts at one step."""

    patience: Patience
    complaints: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    failed: Counter[str] = field(default_factory=Counter)

    def again(self, error: BaseException) -> bool:
        """Note a failure and decide whether to try again."""
        if not isinstance(error, ProviderError):
            return False
        self.usage += getattr(error, "usage", Usage())
        if error.kind is FailureKind.BAD_OUTPUT:
            self.complaints.append(str(error))
        reason = "unknown" if getattr(error, "unknown", False) else str(error.kind)
        self.failed[reason] += 1
        return self.failed[reason] <= self._allowance().get(reason, 0)

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt."""
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, ProviderError) and error.kind is FailureKind.BAD_OUTPUT:
            return 0.0
        first, stated = self.patience.first_wait, getattr(error, "after", None)
        backoff = wait_exponential_jitter(multiplier=first, max=LONGEST_WAIT, jitter=first)
        return min(max(float(stated or 0.0), backoff(state)), LONGEST_WAIT)

    def _allowance(self) -> Mapping[str, int]:
        known = self.patience.model_dump(exclude={"first_wait"})
        return MappingProxyType({str(name): int(times) for name, times in known.items()})


def persist(ask: Ask, patience: Patience, sleep: Callable[[float], None] = time.sleep) -> Reply:
    """Ask until there is an answer or asking is pointless; the reply's usage holds the failed attempts too.

    Raises:
        ProviderError: the last attempt's failure. One that stayed unknown is FATAL: nobody loops on the unknown.
    """
    state = Persistence(patience)
    retrying = Retrying(
        retry=retry_if_exception(state.again), wait=state.wait, sleep=sleep, reraise=True, stop=lambda _: False
    )
    try:
        reply = retrying(lambda: ask(tuple(state.complaints)))
    except ProviderError as error:
        if getattr(error, "unknown", False):
            raise ProviderError(FailureKind.FATAL, f"{UNKNOWN}, {state.failed['unknown']} times: {error}") from error
        raise
    return reply.model_copy(update={"usage": state.usage + reply.usage})
