"""What the failures of a chat-completions server mean: its status, its error object, and how an answer ended.

Gateways answer 200 with an error in the body as well, so the object is judged alike wherever it stands. Sources:
https://api-docs.deepseek.com/quick_start/error_codes and https://platform.openai.com/docs/guides/error-codes.
"""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

import openai
from pydantic import JsonValue

from loop.errors import FailureKind
from loop.types import Usage
from teachers.provider import waits
from teachers.provider.evidence import evidence
from teachers.provider.failures import FailureEvidence, evidence_of, judged
from teachers.provider.retry import LONGEST_WAIT, AttemptFailed

MINUTE: Final = 60.0

WHOLE: Final = frozenset(
    {
        "stop", "tool_calls", "tool_call", "function_call", "tool_use", "end_turn", "stop_sequence", "eos", "eos_token",
        "end_of_turn", "complete", "completed", "finished",
    }
)  # fmt: skip
"""Ways to end of a whole answer."""
CUT: Final = (
    (
        FailureKind.BAD_INPUT,
        re.compile(r"filter|safety|sensitiv|refus|recitat|block|prohibit|guardrail|context|spii"),
    ),
    (FailureKind.BAD_OUTPUT, re.compile(r"length|max_.*token|token_limit|repetition|malformed|unexpected_tool")),
    (
        FailureKind.RETRYABLE,
        re.compile(
            r"error|abort|cancel|time_?out|resource|overload|pause|interrupt|fail|disconnect|unavailable|preempt"
        ),
    ),
)
"""Ways to end before an answer is whole. A way that is in neither table is asked about again, and then told."""


def refused(error: openai.APIStatusError, secrets: tuple[str, ...], usage: Usage) -> AttemptFailed:
    """Judge a status that is no answer."""
    body: Any = error.body
    evidence = evidence_of(body if isinstance(body, dict | list | str) else error.message, error.status_code)
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    text = f"HTTP {error.status_code}: {error.message}"
    return failed(FailureEvidence(evidence.status, evidence.words, text), body, headers, secrets, usage)


def failed(
    failure: FailureEvidence,
    body: JsonValue,
    headers: Mapping[str, str],
    secrets: tuple[str, ...],
    usage: Usage,
) -> AttemptFailed:
    """Judge a failure and how long the provider asks to wait.

    Args:
        failure: its status, words and sentence.
        body: the error object, for a wait in it.
        headers: of the answer, by names in small letters.
        secrets: what must not stand in the evidence.
        usage: what the attempt may have cost.
    """
    now, kind, text = time.time(), judged(failure), evidence(failure.text, secrets)
    reset = (
        waits.stated_by_headers(headers, now) or waits.stated_by_body(body, now) or waits.stated_by_text(failure.text)
    )
    if kind is None:
        return AttemptFailed(FailureKind.RETRYABLE, text, after=reset, unknown=True, usage=usage)
    if kind is FailureKind.QUOTA:
        return AttemptFailed(kind, text, retry_at=now + reset if reset else None)
    if kind is not FailureKind.RETRYABLE:
        return AttemptFailed(kind, text)
    if reset and reset > LONGEST_WAIT:
        return AttemptFailed(FailureKind.QUOTA, text, retry_at=now + reset)
    if failure.crowded or reset:
        return AttemptFailed(kind, text, retry_at=now + MINUTE, after=reset)
    return AttemptFailed(kind, text, usage=usage)


def broken(error: openai.APIConnectionError, secrets: tuple[str, ...], usage: Usage) -> AttemptFailed:
    """Judge a connection that gave no whole answer."""
    cause = error.__cause__
    if isinstance(cause, AttemptFailed):
        cause.usage = usage
        return cause
    text = f"{type(cause or error).__name__}: {cause or error}"
    return AttemptFailed(FailureKind.RETRYABLE, evidence(text, secrets), usage=usage)


def unfinished(reason: object, usage: Usage, *, calls: bool) -> AttemptFailed | None:
    """Judge how an answer ended; None: it is one.

    Args:
        reason: `finish_reason` as it came.
        usage: what the answer cost.
        calls: whether it holds tool calls. Some servers leave the reason out, and whole calls show their end.
    """
    word = re.sub(r"[^a-z0-9]+", "_", str(reason)[:100].lower())
    if word in WHOLE or (reason is None and calls):
        return None
    kind = next((kind for kind, pattern in CUT if pattern.search(word)), None) if reason is not None else None
    if kind is FailureKind.BAD_OUTPUT:
        return AttemptFailed(kind, f"the answer was cut or could not be read ({word}); answer shorter", usage=usage)
    reason_text = f"the answer ended as {word!r}" if reason is not None else "the answer does not say how it ended"
    return AttemptFailed(kind or FailureKind.RETRYABLE, reason_text, unknown=kind is None, usage=usage)
