"""Reads how long a provider asks to wait, in every spelling that is in use; whatever comes from outside is bounded.

Sources: Retry-After in seconds or as a date (RFC 9110, 10.2.3), `retry-after-ms` and `x-ratelimit-reset` as gateways
send them, and the sentences "try again in 1.5s", "in 2 days 17 hours" and "in 6m0s".
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from pydantic import JsonValue

from teachers.provider.numbers import number

LONGEST: Final = 8 * 86400.0
"""Seconds: a weekly quota and a day. Nobody is waited for longer without another try, whatever they say."""
MILLISECONDS: Final = 1e11
"""A moment beyond this many seconds since the epoch is told in milliseconds."""
DECADE: Final = 1e9
"""A wait beyond this many seconds is no wait but a moment."""
UNITS: Final[Mapping[str, float]] = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
AMOUNT: Final = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)\s{0,3}(ms|milliseconds?|d|days?|h|hours?|hrs?|m|minutes?|mins?|s|seconds?|secs?)(?![a-z])",
    re.IGNORECASE,
)
WHOLE: Final = re.compile(rf"(?:{AMOUNT.pattern}[\s,]{{0,3}}(?:and )?){{1,5}}", re.IGNORECASE)
ASKED: Final = re.compile(
    r"(?:try again|retry|available|wait|resets?)(?: again)?(?: after| in| for)?:? ", re.IGNORECASE
)
BODY_SECONDS: Final = ("retry_after", "retry_after_seconds", "resets_in_seconds")
BODY_MOMENTS: Final = ("resets_at", "reset_at")


def bounded(seconds: float | None) -> float | None:
    """Bound a wait, in seconds; None where there is none."""
    if seconds is None or not seconds > 0:
        return None
    return min(seconds, LONGEST)


def moment(value: object, now: float) -> float | None:
    """Read a moment to come, in seconds since the epoch; None where it is none or lies in the past."""
    stated = number(value)
    if stated is None:
        return None
    wait = bounded((stated / 1000 if stated > MILLISECONDS else stated) - now)
    return None if wait is None else now + wait


def stated_by_headers(headers: Mapping[str, str], now: float) -> float | None:
    """Read the wait that the head of an answer asks for, in seconds.

    Args:
        headers: by names in small letters.
        now: seconds since the epoch.
    """
    milliseconds = number(headers.get("retry-after-ms"))
    if milliseconds is not None and (wait := bounded(milliseconds / 1000)) is not None:
        return wait
    spellings = (headers.get(name, "") for name in ("retry-after", "x-ratelimit-reset"))
    return next((wait for text in spellings if (wait := _seconds_or_date(text, now)) is not None), None)


def _seconds_or_date(text: str, now: float) -> float | None:
    text = text.strip()[:100]
    seconds = number(text)
    if seconds is None:
        return bounded(_until(text, now)) or spelled(text)
    return bounded(seconds) if seconds <= DECADE else _wait_until(seconds, now)


def _until(text: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now


def _wait_until(value: object, now: float) -> float | None:
    reset = moment(value, now)
    return None if reset is None else reset - now


def stated_by_body(error: JsonValue, now: float) -> float | None:
    """Read the wait that an error object asks for, in seconds.

    It stands beside the message, in its metadata, or among headers that a gateway passes on.
    """
    fields = error if isinstance(error, dict) else {}
    metadata = fields.get("metadata")
    holders = (fields, metadata if isinstance(metadata, dict) else {})
    return next((wait for holder in holders if (wait := _stated_by(holder, now)) is not None), None)


def _stated_by(holder: Mapping[str, JsonValue], now: float) -> float | None:
    headers = holder.get("headers")
    passed = {name.lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    waits = (
        *(bounded(number(holder.get(name))) for name in BODY_SECONDS),
        *(_wait_until(holder.get(name), now) for name in BODY_MOMENTS),
        stated_by_headers(passed, now),
    )
    return next((wait for wait in waits if wait is not None), None)


def stated_by_text(text: str) -> float | None:
    """Read the wait in a sentence, in seconds: "try again in 1.5s"."""
    for asked in ASKED.finditer(text[:4000]):
        if (wait := spelled(text[asked.end() : asked.end() + 100])) is not None:
            return wait
    return None


def spelled(text: str) -> float | None:
    """Read an amount of time at the beginning of a text, in seconds: "6m0s", "2 days 17 hours 14 minutes"."""
    whole = WHOLE.match(text)
    return (
        None if whole is None else bounded(sum(float(count) * _unit(unit) for count, unit in AMOUNT.findall(whole[0])))
    )


def _unit(name: str) -> float:
    """Read a unit, in seconds."""
    short = "ms" if name.lower().startswith(("ms", "milli")) else name[0].lower()
    return UNITS[short]
