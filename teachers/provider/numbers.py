"""Reads numbers that came from outside: whatever is none, or beyond all reason, is bounded or left out."""

import math
from typing import Final

MOST_TOKENS: Final = 1_000_000_000
"""Of one answer; a larger number is no count."""


def number(value: object) -> float | None:
    """Read a number, given as one or as text; None for anything else, NaN and infinity included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def tokens(value: object) -> int:
    """Read a count of tokens; 0 where it is none."""
    return int(min(max(number(value) or 0.0, 0.0), MOST_TOKENS))
