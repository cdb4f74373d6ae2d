"""What tokens cost, by the model that answered and the hour.

Prices are data with a date and change without notice; the operator's settings override them.
DeepSeek's are from its price page as of 2026-11 (https://api-docs.deepseek.com/quick_start/pricing).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from pydantic import Field

from loop.types import Record, Usage

MILLION: Final = 1_000_000
PEAK_HOURS: Final = (range(1, 4), range(6, 10))
"""UTC hours, Monday to Friday: 9-12 and 14-18 in Beijing."""
SATURDAY: Final = 5


class Price(Record):
    """US dollars for a million tokens."""

    hit: float = Field(ge=0, allow_inf_nan=False)
    """Prompt tokens that the provider had cached."""
    miss: float = Field(ge=0, allow_inf_nan=False)
    """Other prompt tokens."""
    output: float = Field(ge=0, allow_inf_nan=False)
    peak: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    """Factor in the dear hours."""

    def of(self, usage: Usage, *, peak: bool) -> float:
        """Price a usage in US dollars."""
        fresh = max(usage.prompt_tokens - usage.cached_tokens, 0)
        sum_ = usage.cached_tokens * self.hit + fresh * self.miss + usage.completion_tokens * self.output
        return sum_ * (self.peak if peak else 1.0) / MILLION


DEEPSEEK: Final[Mapping[str, Price]] = MappingProxyType(
    {
        "flash": Price(hit=0.003, miss=0.15, output=0.60, peak=2.0),
        "v4-pro": Price(hit=0.022, miss=0.66, output=1.98, peak=2.0),
    }
)
"""By a part of the model's name as the answer states it."""


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """Find the price of a model: the longest known name that is part of it. None: unknown."""
    known = [name for name in prices if name.lower() in model.lower()]
    return prices[max(known, key=len)] if known else None


def is_peak(now: float, holidays: frozenset[str] = frozenset()) -> bool:
    """Say whether DeepSeek's dear hours apply.

    Args:
        now: seconds since the epoch.
        holidays: Chinese public holidays as `YYYY-MM-DD`; they are off-peak.
    """
    moment = datetime.fromtimestamp(now, UTC)
    working = moment.weekday() < SATURDAY and (moment + timedelta(hours=8)).date().isoformat() not in holidays
    return working and any(moment.hour in hours for hours in PEAK_HOURS)


def off_peak_at(now: float, holidays: frozenset[str] = frozenset()) -> float | None:
    """When the dear hours end, in seconds since the epoch; None outside them."""
    if not is_peak(now, holidays):
        return None
    hour = datetime.fromtimestamp(now, UTC).replace(minute=0, second=0, microsecond=0)
    ends = (hour + timedelta(hours=ahead) for ahead in range(1, 24))
    return next(end.timestamp() for end in ends if not is_peak(end.timestamp(), holidays))
