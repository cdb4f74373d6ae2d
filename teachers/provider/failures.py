"""What a provider's failure means, by its structure first: a status, a machine's word, and only then its sentence.

Words and sentences are open-ended, so each table knows kinds rather than texts, and what none of them knows stays
unknown: it is asked again twice, then shown to the operator by `loopd teacher probe`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.errors import FailureKind
from teachers.provider.numbers import number

SERVER_ERROR: Final = 500
TOO_MANY: Final = 429
STATUSES: Final[Mapping[int, FailureKind]] = {
    400: FailureKind.FATAL,
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA,
    403: FailureKind.AUTH,
    404: FailureKind.FATAL,
    405: FailureKind.FATAL,
    408: FailureKind.RETRYABLE,
    409: FailureKind.RETRYABLE,
    410: FailureKind.FATAL,
    413: FailureKind.BAD_INPUT,
    422: FailureKind.FATAL,
    425: FailureKind.RETRYABLE,
    429: FailureKind.RETRYABLE,
}
"""By HTTP status; every 3xx is fatal (it is another address), every 5xx retryable, anything else unknown."""

Rules = tuple[tuple[FailureKind, re.Pattern[str]], ...]


def rules(*pairs: tuple[FailureKind, str]) -> Rules:
    """Compile patterns, in order of precedence."""
    return tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in pairs)


RATE: Final = re.compile(r"rate_limit|too_many_requests|throttl|concurren|resource_exhausted|slow_down")
"""A machine's word for too many requests."""
SPECIFIC: Final = rules(
    (
        FailureKind.QUOTA,
        (
            r"quota|billing|credits?(?![a-z])|insufficient_(?:\w+_)?(?:balance|funds)|balance_\w*(?:low|enough|exhausted)"
            r"|payment|(?<![a-z])spend|usage_limit|usage_not_included|budget_exceeded|exceeded_budget"
        ),
    ),
    (FailureKind.RETRYABLE, RATE.pattern),
    (
        FailureKind.BAD_INPUT,
        (
            r"context_(?:length|window)|(?:prompt|input|request|string|messages?)\w*_too_(?:long|large|big)|too_long"
            r"|above_max_length|max_(?:input|context)|token_limit_exceeded"
        ),
    ),
    (
        FailureKind.BAD_INPUT,
        r"content_(?:filter|policy)|moderation|safety|sensitive|data_inspection|responsible_ai|cyber|guardrail|prohibited",
    ),
    (
        FailureKind.AUTH,
        (
            r"api_?key|unauthori[sz]ed|authenticat|authori[sz]ation|permission|forbidden|access_denied|credential"
            r"|(?:invalid|expired|revoked|reused)_(?:\w+_)?token|token_(?:expired|invalid|revoked|reused|invalidated)"
            r"|session_expired|deactivated|(?:account|key|user|workspace|organi[sz]ation)_\w*(?:disabled|suspended)"
        ),
    ),
)
"""By a machine's word, where it says more than the status: `insufficient_quota` with 429, `content_filter` with 400."""

GENERIC: Final = rules(
    (
        FailureKind.FATAL,
        (
            r"invalid_request|bad_request|invalid_(?:argument|parameter|json|model|value|type)|not_found|unsupported"
            r"|unprocessable|unknown_(?:model|parameter)|failed_precondition|not_supported|does_not_exist|deprecated"
        ),
    ),
    (
        FailureKind.RETRYABLE,
        (
            r"overload|unavailable|time_?out|timed_?out|server_error|internal|engine|capacity|upstream|bad_gateway"
            r"|api_error|deadline_exceeded|connection|service|busy|aborted|cancell?ed"
        ),
    ),
)
"""By a machine's word, where there is no status; providers give the vaguest of them to anything."""

SPENT: Final = re.compile(
    r"insufficient.{0,20}(?:quota|balance|funds|credit)|exceeded your current quota|quota exceeded|out of credits?"
    r"|billing|spend(?:ing)?[ -](?:cap|limit)|credits? (?:are |is )?(?:depleted|exhausted|used up)|payment required"
    r"|usage limit|purchase more|(?:hit|reached|over) your .{0,40}(?:limit|cap|budget)\b",
    re.IGNORECASE,
)
"""A sentence about money or an allowance."""
CROWDED: Final = re.compile(r"rate.?limit|too many requests|slow down|concurrency limit", re.IGNORECASE)
TOO_LONG: Final = re.compile(
    r"(?:context|prompt|input|message|(?<!_)token|conversation)\w*\b.{0,60}(?:exceed|too (?:long|large|many)"
    r"|longer than|greater than|overflow|ran out|does not fit|beyond)"
    r"|(?:exceed|ran out|too many|longer than|maximum|reduce).{0,60}(?:context|token|length of the (?:prompt|mess))",
    re.IGNORECASE,
)
FILTERED: Final = re.compile(
    r"content.?(?:filter|management policy|policy)|content exists risk|(?:flagged|blocked|rejected|refused|violat)\w*\b"
    r".{0,60}(?:moderation|safety|polic|filter|unsafe|cyber)|(?:moderation|safety system|usage polic)\w*\b.{0,60}"
    r"(?:flagged|blocked|rejected|refused|violat)|cyber",
    re.IGNORECASE,
)
PARAMETER: Final = re.compile(
    r"(?:unknown|unrecogni[sz]ed|unsupported|unexpected|invalid|extra|missing|no such).{0,20}"
    r"(?:parameter|param|argument|field|propert|value for|option)|(?:parameter|argument|field|option)\b.{0,60}"
    r"(?:not (?:allowed|supported|permitted|recogni[sz]ed|a valid)|unknown|unsupported)|extra inputs"
    r"|\A(?!.*(?:context|prompt|input tokens)).*max_\w*tokens",
    re.IGNORECASE | re.DOTALL,
)
"""A sentence about how the request is written: nothing that was said is at fault."""
REFUSED: Final = re.compile(
    r"unauthori[sz]ed|(?:invalid|incorrect|wrong|missing|expired|revoked|no).{0,20}(?:api.?key|credential|token\b)"
    r"|(?:api.?key|credential|session|access token|refresh token).{0,60}(?:invalid|expired|revoked|missing|not valid"
    r"|already used|refreshed)|not logged in|log ?in again|sign in again|log out and|user not found|deactivated"
    r"|authentication|permission to access|forbidden",
    re.IGNORECASE,
)
BUSY: Final = re.compile(
    r"overload|at capacity|high demand|temporar|timed? ?out|time-?out|unavailable|try again|bad gateway|upstream"
    r"|internal (?:server )?error|connection|disconnected|network|busy|error (?:reading|decoding|sending)|reconnect",
    re.IGNORECASE,
)
GONE: Final = re.compile(
    r"model.{0,60}(?:not (?:found|supported|exist|available)|does not exist|deprecated|newer version)|no such model"
    r"|please upgrade|no longer supported|not implemented",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class FailureEvidence:
    """What there is of a failure."""

    status: int | None = None
    words: tuple[str, ...] = ()
    """Machine's words, the most telling first: code, type, status."""
    text: str = ""
    """The sentence for people."""

    @property
    def crowded(self) -> bool:
        """Whether it asks for patience rather than for another try."""
        words = any(RATE.search(word) for word in self.words)
        return (
            self.status == TOO_MANY or words or (self.status is None and CROWDED.search(self.text[:4000]) is not None)
        )


def judged(evidence: FailureEvidence) -> FailureKind | None:
    """Judge a failure; None where nothing knows it."""
    text = evidence.text[:4000]
    if (kind := _first(SPECIFIC, evidence.words)) is not None:
        return kind
    if (kind := _refined(evidence.status, text)) is not None:
        return kind
    if evidence.status is not None:
        return by_status(evidence.status)
    return by_text(text) or _first(GENERIC, evidence.words)


def by_status(status: int) -> FailureKind | None:
    """Judge by the HTTP status alone."""
    if status >= SERVER_ERROR:
        return FailureKind.RETRYABLE
    return FailureKind.FATAL if 300 <= status < 400 else STATUSES.get(status)  # noqa: PLR2004 - HTTP


def _refined(status: int | None, text: str) -> FailureKind | None:
    """Judge a sentence that says more than its status."""
    if status in {TOO_MANY, 402, 403} and SPENT.search(text):
        return FailureKind.QUOTA
    if status in {400, 413, 422} and (TOO_LONG.search(text) or FILTERED.search(text)) and not PARAMETER.search(text):
        return FailureKind.BAD_INPUT
    if status in {400, 403} and REFUSED.search(text) and not PARAMETER.search(text):
        return FailureKind.AUTH
    return None


SENTENCES: Final = (
    (FailureKind.QUOTA, SPENT),
    (FailureKind.RETRYABLE, CROWDED),
    (FailureKind.FATAL, PARAMETER),
    (FailureKind.BAD_INPUT, TOO_LONG),
    (FailureKind.BAD_INPUT, FILTERED),
    (FailureKind.AUTH, REFUSED),
    (FailureKind.FATAL, GONE),
    (FailureKind.RETRYABLE, BUSY),
)
"""In order of precedence."""


def by_text(text: str) -> FailureKind | None:
    """Judge by the sentence alone."""
    return next((kind for kind, pattern in SENTENCES if pattern.search(text)), None)


def _first(table: Rules, words: Iterable[str]) -> FailureKind | None:
    return next((kind for word in words for kind, pattern in table if pattern.search(word)), None)


def evidence_of(error: JsonValue, status: int | None = None) -> FailureEvidence:
    """Read an error object, or whatever stands in its place, as providers and gateways spell it."""
    if not isinstance(error, dict):
        return FailureEvidence(status, (), error if isinstance(error, str) else json.dumps(error)[:1000])
    said = [error.get(name) for name in ("code", "type", "status", "reason", "error_code", "err_code", "name")]
    inner = error.get("error") or error.get("detail")
    if isinstance(inner, dict):
        said += [inner.get(name) for name in ("code", "type", "status")]
    stated = next((code for value in said if (code := _status(value)) is not None), None)
    words = tuple(_word(value) for value in said if isinstance(value, str) and _status(value) is None)
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None  # what a gateway was told itself
    return FailureEvidence(
        status or stated, words, " ".join([_sentence(error), *([raw] if isinstance(raw, str) else [])])
    )


def _status(value: JsonValue) -> int | None:
    status = number(value)
    return int(status) if status is not None and 300 <= status < 600 and status == int(status) else None  # noqa: PLR2004 - HTTP


def _word(text: str) -> str:
    """Spell `RateLimitError`, `rate-limit` and `RATE_LIMIT` alike."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text[:200])
    return re.sub(r"[^a-z0-9]+", "_", parted.lower())


def _sentence(error: Mapping[str, JsonValue]) -> str:
    for name in ("message", "msg", "detail", "error", "status_msg", "error_msg", "description", "title"):
        value = error.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return str(value["message"])
    return json.dumps(error)[:1000]


def error_within(text: str) -> JsonValue:
    """Find an error object in a sentence that quotes the body of an answer; None where there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        document = parse(text[start : text.rfind("}") + 1])
    except NotJson:
        return None
    return (document.get("error") or document) if isinstance(document, dict) else None
