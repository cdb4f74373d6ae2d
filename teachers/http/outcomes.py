"""What the failures of a chat-completions server mean, DeepSeek's among them (https://api-docs.deepseek.com/quick_start/error_codes)."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

import openai

from loop.errors import FailureKind
from loop.types import Usage
from teachers.provider.evidence import redact
from teachers.provider.retry import LONGEST_WAIT, AttemptFailed

STATUSES: Final[Mapping[int, FailureKind]] = {
    400: FailureKind.FATAL,
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA,
    403: FailureKind.AUTH,
    404: FailureKind.FATAL,
    405: FailureKind.FATAL,
    408: FailureKind.RETRYABLE,
    409: FailureKind.RETRYABLE,
    413: FailureKind.BAD_INPUT,
    422: FailureKind.FATAL,
    425: FailureKind.RETRYABLE,
    429: FailureKind.RETRYABLE,
}
"""By HTTP status; every 5xx is retryable, everything else unknown."""

TOO_LONG: Final = re.compile(r"context.{0,20}(length|window)|maximum context|too many tokens|too long", re.IGNORECASE)
FILTERED: Final = re.compile(r"content.?filter|content.{0,10}policy|risk|moderation", re.IGNORECASE)
SPENT: Final = re.compile(r"insufficient_quota|insufficient balance|exceeded your current quota|billing", re.IGNORECASE)
SERVER_ERROR: Final = 500
TOO_MANY: Final = 429
MINUTE: Final = 60.0

FINISHES: Final[Mapping[str, FailureKind]] = {
    "length": FailureKind.BAD_OUTPUT,
    "content_filter": FailureKind.BAD_INPUT,
    "insufficient_system_resource": FailureKind.RETRYABLE,
}
"""By `finish_reason`; any other is an answer."""


def refused(error: openai.APIStatusError, secrets: tuple[str, ...], usage: Usage) -> AttemptFailed:
    """Judge a status that is no answer."""
    text = redact(f"HTTP {error.status_code}: {error.message}", secrets)
    kind, unknown = _kind(error.status_code, error.message)
    told = _retry_after(error.response.headers)
    if kind is FailureKind.RETRYABLE and (error.status_code == TOO_MANY or told):
        rest = told or MINUTE
        if rest > LONGEST_WAIT:
            return AttemptFailed(FailureKind.QUOTA, text, retry_at=time.time() + rest)
        return AttemptFailed(kind, text, retry_at=time.time() + MINUTE, after=told)
    reached = kind is FailureKind.RETRYABLE and error.status_code != TOO_MANY
    return AttemptFailed(kind, text, unknown=unknown, usage=usage if reached else Usage(requests=1))


def _kind(status: int, text: str) -> tuple[FailureKind, bool]:
    if status in {TOO_MANY, 402, 403} and SPENT.search(text):
        return FailureKind.QUOTA, False
    if status in {400, 413, 422} and (TOO_LONG.search(text) or FILTERED.search(text)):
        return FailureKind.BAD_INPUT, False
    if status >= SERVER_ERROR:
        return FailureKind.RETRYABLE, False
    kind = STATUSES.get(status)
    return kind or FailureKind.RETRYABLE, kind is None


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    try:
        return max(float(headers.get("retry-after", "")), 0.0) or None
    except ValueError:
        return None


def broken(error: openai.APIConnectionError, secrets: tuple[str, ...], usage: Usage) -> AttemptFailed:
    """Judge a connection that gave no whole answer."""
    cause = error.__cause__
    if isinstance(cause, AttemptFailed):
        cause.usage = usage
        return cause
    text = f"{type(cause or error).__name__}: {cause or error}"
    return AttemptFailed(FailureKind.RETRYABLE, redact(text, secrets), usage=usage)


def unfinished(reason: str, usage: Usage) -> AttemptFailed | None:
    """Judge how an answer ended; None: it is one."""
    kind = FINISHES.get(reason)
    if kind is None:
        return None
    words = {"length": "the answer was cut at the token limit; answer shorter"}
    return AttemptFailed(kind, words.get(reason, f"the answer ended as {reason}"), usage=usage)
