"""What the Codex client's failures mean.

Its own typed errors go first, then what its texts quote: a status, an error object, an error of the operating system.
The client's own sentences stand here as data, captured from codex-cli 0.163 and 0.169 and read in its sources; they
change between releases, so what they have in common with other providers' is left to `provider.failures`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from loop.errors import FailureKind
from teachers.provider import failures, waits
from teachers.provider.evidence import evidence
from teachers.provider.failures import FailureEvidence, by_status, error_within, evidence_of, judged, rules
from teachers.provider.numbers import number
from teachers.provider.retry import LONGEST_WAIT, AttemptFailed

BILLING_REST: Final = 3600.0
"""Seconds until a spent plan is tried again; only its owner can mend it."""

TEXTS: Final = rules(
    (FailureKind.QUOTA, r"upgrade to (?:plus|pro)\b|usage limit|out of credits|spend cap|quota exceeded"),
    (
        FailureKind.BAD_INPUT,
        r"input_too_large|ran out of room|content_filter|\bcyber|flagged|usage polic|poisoning",
    ),
    (FailureKind.BAD_OUTPUT, r"max_output_tokens"),
    (FailureKind.AUTH, r"refresh token was|could not be refreshed|oauth/token|not logged in"),
    (
        FailureKind.FATAL,
        (
            r"error loading config|model provider|missing environment variable|output schema file|invalid_json_schema"
            r"|unknown variant|blocked by cloudflare|newer version|unsupported operation|sandbox|landlock"
            r"|invalid peer certificate|builder error|\bTOML\b|strict-config|unknown configuration|\Afatal error:"
        ),
    ),
)
"""Sentences that mean the same under any status, in order of precedence."""

LOCAL: Final = rules(
    (
        FailureKind.RETRYABLE,
        (
            r"stream disconnected|connection failed|error while reading|error (?:sending|decoding)|transport closed"
            r"|reconnecting|died unexpectedly|turn aborted|interrupted|timeout waiting|thread limit reached"
            r"|no thread with id|session configured event|spawn failed|panicked|was cancelled|dns error|handshake"
            r"|at line \d{1,9} column \d"
        ),
    ),
)
"""Sentences about the way to the provider, where nothing more telling is quoted."""

STATUS: Final = re.compile(r"(?:status(?: code)?:?|\(|HTTP|client error|server error) \(?([3-5]\d\d)\b", re.IGNORECASE)
ERRNO: Final = re.compile(r"\(os error (\d{1,4})\)")
LASTING: Final = frozenset({1, 2, 13, 17, 20, 21, 28, 30})
"""Errors of the operating system that the operator has to mend: no permission, no file, no space, read-only."""

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
    "sandboxError": FailureKind.FATAL,
    "contextWindowExceeded": FailureKind.BAD_INPUT,
    "cyberPolicy": FailureKind.BAD_INPUT,
    "misalignmentPolicyViolation": FailureKind.BAD_INPUT,
    "flexUnavailable": FailureKind.RETRYABLE,
    "tooManyDenials": FailureKind.UNSAFE,
    "sessionBudgetExceeded": FailureKind.UNSAFE,
}
"""`codexErrorInfo` of the app-server protocol; "other" and whatever is new fall back to the text."""

DATED: Final = re.compile(r"try again at (?:(\w{3}) (\d{1,2})\w\w, (\d{4}) )?(\d{1,2}):(\d\d) ([AP]M)", re.IGNORECASE)


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
    kind, words = _by_code(info) or by_text(text), evidence(text, secrets)
    if kind is FailureKind.QUOTA:
        return AttemptFailed(kind, words, retry_at=reset or _rest(text, now))
    wait = wait_told(text)
    if kind in {FailureKind.RETRYABLE, None} and wait is not None and wait > LONGEST_WAIT:
        return AttemptFailed(FailureKind.QUOTA, words, retry_at=now + wait)
    return AttemptFailed(kind or FailureKind.RETRYABLE, words, after=wait, unknown=kind is None)


def by_text(text: str) -> FailureKind | None:
    """Judge by the message alone; None when no rule knows it."""
    text = text[-8000:]
    status, error = STATUS.search(text), error_within(text)
    quoted = evidence_of(error, int(status[1]) if status else None) if error is not None else None
    evidence = FailureEvidence(int(status[1]) if status else None, quoted.words if quoted else (), text)
    return (
        _matching(TEXTS, text)
        or (judged(evidence) if evidence.status or evidence.words else None)
        or _by_errno(text)
        or _matching(LOCAL, text)
        or failures.by_text(text)
    )


def _matching(table: failures.Rules, text: str) -> FailureKind | None:
    return next((kind for kind, pattern in table if pattern.search(text)), None)


def _by_errno(text: str) -> FailureKind | None:
    match = ERRNO.search(text)
    if match is None:
        return None
    return FailureKind.FATAL if int(match[1]) in LASTING else FailureKind.RETRYABLE


def _by_code(info: JsonValue) -> FailureKind | None:
    name, status = (info, None) if isinstance(info, str) else _single(info)
    code = number(status)
    if code is not None:
        return by_status(int(code)) or FailureKind.FATAL
    return FailureKind.RETRYABLE if name == "httpConnectionFailed" else CODES.get(name or "")


def _single(info: JsonValue) -> tuple[str | None, JsonValue]:
    if not isinstance(info, dict) or len(info) != 1:
        return None, None
    name, detail = next(iter(info.items()))
    return name, detail.get("httpStatusCode") if isinstance(detail, dict) else None


def _rest(text: str, now: float) -> float | None:
    """When to try a spent credential again: as told, or in an hour where only its owner can mend it."""
    reset = reset_told(text, now)
    return reset if reset is not None or "usage limit" in text.lower() else now + BILLING_REST


def reset_told(text: str, now: float) -> float | None:
    """Read when a usage limit ends, from text that a client with TZ=UTC wrote; to the minute, rounded down.

    A time without a date that has passed today is tomorrow's.
    """
    if (wait := wait_told(text)) is not None:
        return now + wait
    if not (dated := DATED.search(text)):
        return None
    try:
        return min(_moment(dated, datetime.fromtimestamp(now, UTC)).timestamp(), now + waits.LONGEST)
    except (ValueError, OverflowError):
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
    """Read a wait, in seconds: "try again in 1.5s"."""
    return waits.stated_by_text(text)
