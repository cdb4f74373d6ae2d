"""What a credential may spend, what it has spent, and its provider's own limits."""

from typing import Final

from pydantic import Field

from loop.types import Record, Usage

SPENT: Final = 0.999
"""A window used to this share is spent."""


class Cap(Record):
    """The most that may be spent in one period; None: no bound."""

    tokens: int | None = Field(default=None, ge=0)
    requests: int | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
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


class Spending(Record):
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
