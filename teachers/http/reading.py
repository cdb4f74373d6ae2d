"""Reads what a chat-completions server answered: a message of ours, and what it cost."""

import json
import time
from typing import Any

from loop.canonical import NotJson, clean, parse
from loop.errors import FailureKind, ProviderError
from loop.types import Catalogue, Message, Usage
from teachers.http.outcomes import unfinished
from teachers.http.wire import Wire
from teachers.provider.answers import complaint, read_calls
from teachers.provider.names import Names
from teachers.provider.retry import AttemptFailed

Native = dict[str, Any]
"""A message in the provider's own form."""


def read_json(text: bytes, guess: Usage) -> Native:
    """Read the body of an answer.

    Raises:
        AttemptFailed: it is no JSON, as when a busy gateway answers with a page of its own.
    """
    try:
        answer = parse(text)
    except (NotJson, UnicodeDecodeError) as error:
        raise AttemptFailed(FailureKind.RETRYABLE, f"the answer is no JSON: {error}", usage=guess) from error
    return answer if isinstance(answer, dict) else {}


def message_in(body: Native, usage: Usage) -> Native:
    """Find the message of an answer that came to its end.

    Raises:
        AttemptFailed: there is none, or it was cut.
    """
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    if fault := unfinished(str(choice.get("finish_reason")), usage):
        raise fault
    message = choice.get("message")
    if not isinstance(message, dict):
        raise AttemptFailed(FailureKind.BAD_OUTPUT, "the answer holds no message", usage=usage)
    return message


def read(native: Native, usage: Usage, catalogue: Catalogue, names: Names, wire: Wire) -> Message:
    """Turn a provider's message into ours.

    Raises:
        AttemptFailed: BAD_OUTPUT, with what the answer cost.
    """
    try:
        return _read(native, catalogue, names, wire)
    except ProviderError as error:
        raise AttemptFailed(error.kind, str(error), usage=usage) from error


def _read(native: Native, catalogue: Catalogue, names: Names, wire: Wire) -> Message:
    content, requests = native.get("content") or "", native.get("tool_calls") or []
    if not isinstance(content, str) or not isinstance(requests, list):
        raise complaint("the answer's content must be text and its tool calls a list")
    if not requests:
        if not content.strip():
            raise complaint("the answer was empty: call a tool, or end the turn with a message")
        return Message(role="assistant", content=clean(content))
    _mend_ids(requests)
    calls = read_calls([_pair(request, names) for request in requests], catalogue)
    reasoning = str(native.get("reasoning_content") or "") if wire.hand_back_reasoning else None
    return Message(role="assistant", content=clean(content), calls=calls, reasoning=reasoning)


def _pair(request: object, names: Names) -> tuple[str, str]:
    function = request.get("function") if isinstance(request, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise complaint("each tool call needs a function with a name")
    arguments = function.get("arguments") or "{}"
    return names.original(function["name"]), arguments if isinstance(arguments, str) else json.dumps(arguments)


def _mend_ids(requests: list[Any]) -> None:
    """Give an id to calls whose server forgot it: each result must name its call."""
    for number, request in enumerate(requests):
        if isinstance(request, dict) and not isinstance(request.get("id"), str):
            request["id"] = f"call_{time.monotonic_ns()}_{number}"


def usage_of(value: object, guess: Usage) -> Usage:
    """Read the tokens; where the server does not tell, the guess stands."""
    found = value if isinstance(value, dict) else {}
    details = found.get("prompt_tokens_details")
    cached = found.get("prompt_cache_hit_tokens", details.get("cached_tokens") if isinstance(details, dict) else 0)
    if not isinstance(found.get("prompt_tokens"), int):
        return guess
    completion = found.get("completion_tokens")
    return Usage(
        prompt_tokens=found["prompt_tokens"],
        cached_tokens=cached if isinstance(cached, int) else 0,
        completion_tokens=completion if isinstance(completion, int) else 0,
        requests=1,
    )
