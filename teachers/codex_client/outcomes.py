"""What the Codex client's failures mean: its own typed errors first, its English texts where there is no type.

The texts were captured from codex-cli 0.163 and 0.169; they change between releases, so they stand here as data and
every one has a test against the real client.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from loop.errors import FailureKind
from teachers.provider.evidence import redact
from teachers.provider.retry import AttemptFailed

BILLING_REST: Final = 3600.0
"""Seconds until a spent plan is tried again; only its owner can mend it."""

TEXTS: Final[tuple[tuple[str, FailureKind], ...]] = (
    (r"hit your usage limit|out of credits|Quota exceeded\.|upgrade to Plus: https", FailureKind.QUOTA),
    (r"input_too_large|ran out of room|content_filter|cyber|flagged|usage polic", FailureKind.BAD_INPUT),
    (r"max_output_tokens", FailureKind.BAD_OUTPUT),
    (r"\b401\b|refresh token was already used|could not be refreshed|oauth/token|Not logged in", FailureKind.AUTH),
    (
        (
            r"Error loading config|Model provider|Missing environment variable|Output schema file|invalid_json_schema"
            r"|unexpected status (?:400|403|404|422)|model.{0,40}not (?:found|supported)|does not exist|unknown variant"
        ),
        FailureKind.FATAL,
    ),
    (
        (
            r"stream disconnected|Connection failed|high demand|at capacity|rate limit exceeded"
            r"|last status: (?:429|5\d\d)|unexpected status (?:408|409|429|5\d\d)|idle timeout|overloaded"
            r"|Reconnecting|transport closed"
        ),
        FailureKind.RETRYABLE,
    ),
)
"""Patterns in order of precedence."""

BILLING: Final = re.compile(r"out of credits|Quota exceeded\.|upgrade to Plus: https")

CODES: Final[Mapping[str, FailureKind]] = {
    "usageLimitExceeded": FailureKind.QUOTA,
    "serverOverloaded": FailureKind.RETRYABLE,
    "rateLimitExceeded": FailureKind.RETRYABLE,
    "internalServerError": FailureKind.RETRYABLE,
    "responseStreamConnectionFailed": FailureKind.RETRYABLE,
    "responseStreamDisconnected": FailureKind.RETRYABLE,
    "responseTooManyFailedAttempts": FailureKind.RETRYABLE,
    "unauthorized": FailureKind.AUTH,
    "modelNotFound": FailureKind.FATAL,
    "badRequest": FailureKind.FATAL,
    "contextWindowExceeded": FailureKind.BAD_INPUT,
    "cyberPolicy": FailureKind.BAD_INPUT,
    "misalignmentPolicyViolation": FailureKind.BAD_INPUT,
    "flexUnavailable": FailureKind.RETRYABLE,
    "tooManyDenials": FailureKind.UNSAFE,
    "sessionBudgetExceeded": FailureKind.UNSAFE,
}
"""`codexErrorInfo` of the app-server protocol; "other" and whatever is new fall back to the text."""

DATED: Final = re.compile(r"try again at (?:(\w{3}) (\d{1,2})\w\w, (\d{4}) )?(\d{1,2}):(\d\d) ([AP]M)", re.IGNORECASE)
SPELLED: Final = re.compile(r"try again in ((?:\d+ (?:day|hour|minute)s?\s*)+)", re.IGNORECASE)
SOON: Final = re.compile(r"try again in ([\d.]+)\s*(ms|s)\b", re.IGNORECASE)


def failure(
    text: str, now: float, *, info: JsonValue = None, reset: float | None = None, secrets: Iterable[str] = ()
) -> AttemptFailed:
    """Judge a failed turn.

    Args:
        text: the client's message; it was run with TZ=UTC.
        now: seconds since the epoch.
        info: `codexErrorInfo` where the app-server gave one.
        reset: when the exhausted window ends, where the app-server said.
        secrets: what must not stand in the evidence.
    """
    kind = _by_code(info) or by_text(text)
    evidence = redact(text, secrets)
    if kind is FailureKind.QUOTA:
        return AttemptFailed(kind, evidence, retry_at=reset or _rest(text, now))
    return AttemptFailed(kind or FailureKind.RETRYABLE, evidence, after=wait_told(text), unknown=kind is None)


def by_text(text: str) -> FailureKind | None:
    """Judge by the message alone; None when no rule knows it."""
    return next((kind for pattern, kind in TEXTS if re.search(pattern, text, re.IGNORECASE)), None)


def _by_code(info: JsonValue) -> FailureKind | None:
    name, status = (info, None) if isinstance(info, str) else _single(info)
    if name == "httpConnectionFailed":
        return _by_status(status)
    return CODES.get(name) if isinstance(name, str) else None


def _single(info: JsonValue) -> tuple[str | None, JsonValue]:
    if not isinstance(info, dict) or len(info) != 1:
        return None, None
    name, detail = next(iter(info.items()))
    return name, detail.get("httpStatusCode") if isinstance(detail, dict) else None


def _by_status(status: JsonValue) -> FailureKind:
    match status:
        case 401 | 403:
            return FailureKind.AUTH
        case int() if 400 <= status < 500 and status not in {408, 409, 429}:  # noqa: PLR2004 - HTTP
            return FailureKind.FATAL
        case _:
            return FailureKind.RETRYABLE


def _rest(text: str, now: float) -> float | None:
    if BILLING.search(text):
        return now + BILLING_REST
    return reset_told(text, now)


def reset_told(text: str, now: float) -> float | None:
    """Read when a usage limit ends, from text that a client with TZ=UTC wrote; to the minute, rounded down.

    A time without a date that has passed today is tomorrow's.
    """
    if spelled := SPELLED.search(text):
        amounts = {unit: int(count) for count, unit in re.findall(r"(\d{1,4}) (day|hour|minute)", spelled[1].lower())}
        return now + timedelta(**{f"{unit}s": count for unit, count in amounts.items()}).total_seconds()
    if not (dated := DATED.search(text)):
        return None
    try:
        return _moment(dated, datetime.fromtimestamp(now, UTC)).timestamp()
    except ValueError:
        return None


def _moment(match: re.Match[str], today: datetime) -> datetime:
    month, day, year, hour, minute, half = match.groups()
    hours = int(hour) % 12 + (12 if half.upper() == "PM" else 0)
    if month:
        date = datetime.strptime(f"{month} {day} {year}", "%b %d %Y").replace(tzinfo=UTC)
        return date.replace(hour=hours, minute=int(minute))
    moment = today.replace(hour=hours, minute=int(minute), second=0, microsecond=0)
    return moment if moment > today - timedelta(minutes=1) else moment + timedelta(days=1)


def wait_told(text: str) -> float | None:
    """Read a short wait, in seconds: "try again in 1.5s"."""
    if not (soon := SOON.search(text)):
        return None
    try:
        return float(soon[1]) / (1000 if soon[2].lower() == "ms" else 1)
    except ValueError:
        return None
