"""Reads what a chat-completions server answered: a message of ours, and what it cost."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import NotJson, clean, parse
from loop.errors import FailureKind, ProviderError
from loop.types import Catalogue, Message, Usage
from teachers.http.outcomes import failed, unfinished
from teachers.http.wire import Wire
from teachers.provider.answers import read_calls
from teachers.provider.complaint import complaint
from teachers.provider.evidence import evidence
from teachers.provider.failures import by_text, evidence_of
from teachers.provider.names import Names
from teachers.provider.numbers import tokens
from teachers.provider.retry import AttemptFailed
from teachers.provider.spoken import spoken

Native = dict[str, Any]
"""A message in the provider's own form."""
LONGEST_SENTENCE: Final = 1000
"""Bytes of an answer that is none but a sentence."""


def read_json(text: bytes, guess: Usage) -> Native:
    """Read the body of an answer.

    Raises:
        AttemptFailed: it is no JSON, as when a busy gateway answers with a page of its own.
    """
    if text.lstrip()[:6] in {b"data: ", b"event:"}:
        raise AttemptFailed(FailureKind.FATAL, "the server streams its answer, though it was asked not to", usage=guess)
    try:
        answer = parse(text)
    except (NotJson, UnicodeDecodeError) as error:
        if text.lstrip()[:1] not in {b"{", b"["} and by_text(said := text[:LONGEST_SENTENCE].decode(errors="replace")):
            return {"error": said}
        raise AttemptFailed(FailureKind.RETRYABLE, f"the answer is not JSON: {error}", usage=guess) from error
    if isinstance(answer, list) and answer:
        answer = answer[0]  # some gateways wrap their errors so
    if isinstance(answer, str):
        return {"error": answer}
    return answer if isinstance(answer, dict) else {}


def message_in(body: Native, headers: Mapping[str, str], secrets: tuple[str, ...], usage: Usage) -> Native:
    """Find the message of an answer that came to its end.

    Raises:
        AttemptFailed: the body holds an error instead, or no message, or one that was cut.
    """
    choice = _choice(body)
    if (error := error_in(body, choice)) is not None:
        raise failed(evidence_of(error), error, headers, secrets, usage)
    message, reason = choice.get("message"), choice.get("finish_reason")
    if isinstance(message, dict):
        if fault := unfinished(reason, usage, calls=bool(message.get("tool_calls"))):
            raise fault
        return message
    parts = evidence(", ".join(map(str, choice or body))[:300], secrets) or "nothing"
    missing = AttemptFailed(
        FailureKind.RETRYABLE, f"the answer holds no message, but {parts}", unknown=True, usage=usage
    )
    raise (unfinished(reason, usage, calls=False) if reason is not None else None) or missing


def _choice(body: Native) -> Native:
    choices = body.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def error_in(body: Native, choice: Native) -> JsonValue:
    """Find the error in an answer whose status says that there is none; None where there is none."""
    for holder in (body, choice):
        for name in ("error", "errors"):
            error = holder.get(name)
            error = error[0] if isinstance(error, list) and error else error
            if error and isinstance(error, dict | str):
                return error
    if choice or not {"message", "msg", "detail", "code", "base_resp"} & body.keys():
        return None
    inner = body.get("base_resp")
    return {**body, **(inner if isinstance(inner, dict) else {})}


def read(native: Native, usage: Usage, catalogue: Catalogue, names: Names, wire: Wire) -> Message:
    """Turn a provider's message into ours.

    Raises:
        AttemptFailed: BAD_OUTPUT, or UNSAFE where it holds the key; with what the answer cost.
    """
    if any(secret in json.dumps(native, ensure_ascii=False) for secret in wire.secrets):
        raise AttemptFailed(FailureKind.UNSAFE, "the answer holds the key that it was asked with", usage=usage)
    try:
        return _read(native, catalogue, names, wire)
    except ProviderError as error:
        raise AttemptFailed(error.kind, evidence(str(error), wire.secrets), usage=usage) from error


def _read(native: Native, catalogue: Catalogue, names: Names, wire: Wire) -> Message:
    requests = native.get("tool_calls") or []
    if not isinstance(requests, list):
        raise complaint("the answer's tool calls must be a list")
    content, thought = spoken(_text(native), names.all())
    if not requests:
        if not content.strip():
            raise complaint("the answer was empty: call a tool, or end the turn with a message")
        return Message(role="assistant", content=clean(content))
    calls = read_calls([_pair(request, names) for request in requests], catalogue)
    reasoning = str(native.get("reasoning_content") or thought) if wire.hand_back_reasoning else None
    return Message(role="assistant", content=clean(content), calls=calls, reasoning=reasoning)


def _text(native: Native) -> str:
    """Take the text out of the content, which may be a list of parts; thinking is another kind of part."""
    content = native.get("content") or native.get("refusal") or ""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        content = "".join(
            str(part.get("text") or "") for part in content if part.get("type") in {"text", "output_text"}
        )
    if not isinstance(content, str):
        raise complaint("the answer's content must be text")
    return content


def _pair(request: object, names: Names) -> tuple[str, JsonValue]:
    function = request.get("function") if isinstance(request, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise complaint("each tool call needs a function with a name")
    return names.original(function["name"]), function.get("arguments")


def usage_of(value: object, guess: Usage) -> Usage:
    """Read the tokens; where the server does not tell, the guess stands."""
    fields = value if isinstance(value, dict) else {}
    details = fields.get("prompt_tokens_details")
    cached = fields.get("prompt_cache_hit_tokens", details.get("cached_tokens") if isinstance(details, dict) else 0)
    prompt = tokens(fields.get("prompt_tokens"))
    if not prompt:
        return guess
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(tokens(cached), prompt),
        completion_tokens=tokens(fields.get("completion_tokens")),
        requests=1,
    )
