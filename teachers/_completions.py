"""A play's conversation with a chat-completions server: native tools, verbatim history, a deadline of our own.

The `openai` client is used without its retries and with a hard deadline around it: its own time-out is for one read,
and a busy server defeats it with blank lines (https://platform.openai.com/docs/api-reference/chat).
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx2
import openai
from pydantic import Field, JsonValue, SecretStr

from loop.canonical import NotJson, clean, parse
from loop.errors import FailureKind, ProviderError
from loop.types import Catalogue, Message, Record, Reply, Usage
from teachers._answers import complaint, read_calls
from teachers._bounded_http import bounded_client
from teachers._completions_outcomes import broken, refused, unfinished
from teachers._names import Names
from teachers._redact import redact
from teachers._retry import AttemptFailed, Patience, persist
from teachers._teacher import CHARACTERS_PER_TOKEN

NO_KEY: Final = "none"
"""Sent to a server that wants no key."""
Native = dict[str, Any]


class Wire(Record):
    """How a server is asked."""

    base_url: str
    key: SecretStr
    model: str
    step_s: float
    """Deadline of one attempt, in seconds."""
    read_s: float = 120.0
    """Longest silence, in seconds."""
    max_tokens: int | None = None
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request's body."""
    hand_back_reasoning: bool = False
    """Send the model's reasoning back with each of its tool calls."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in evidence."""
        return (self.key.get_secret_value(),)


class CompletionsChat:
    """One play."""

    def __init__(self, wire: Wire, patience: Patience, price: Callable[[Usage, str], float]) -> None:
        """Begin; nothing is sent yet.

        Args:
            wire: how the server is asked.
            patience: how often.
            price: what a usage of a model costs, in US dollars; may raise ProviderError.
        """
        self._wire = wire
        self._patience = patience.model_copy(update={"auth": 0})
        self._price = price
        self._said: dict[int, tuple[Message, Native]] = {}
        self._trust = None if wire.base_url.lower().startswith("http:") else httpx2.create_ssl_context()

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far."""
        names = Names(tool.name for tool in catalogue.tools)
        history = [self._spell(place, message, messages, names) for place, message in enumerate(messages)]
        natives: list[Native] = []

        def ask(complaints: tuple[str, ...]) -> Reply:
            body = self._body([*history, *map(_again, complaints[-1:])], names.functions(catalogue))
            native, usage = self._exchange(body)
            natives.append(native)
            return Reply(message=read(native, usage, catalogue, names, self._wire), usage=usage)

        answer = persist(ask, self._patience)
        self._said[len(messages)] = (answer.message, natives[-1])
        return answer

    def _body(self, messages: list[Native], functions: list[Native]) -> Native:
        limit = {} if self._wire.max_tokens is None else {"max_tokens": self._wire.max_tokens}
        tools = {"tools": functions, "tool_choice": "auto"} if functions else {}
        return {"model": self._wire.model, "messages": messages, "stream": False, **limit, **tools}

    def _exchange(self, body: Native) -> tuple[Native, Usage]:
        length = int(len(json.dumps(body)) / CHARACTERS_PER_TOKEN)
        guess = self._priced(Usage(prompt_tokens=length, requests=1), self._wire.model)
        try:
            text = asyncio.run(self._post(body))
        except TimeoutError as error:
            raise AttemptFailed(FailureKind.RETRYABLE, f"no answer in {self._wire.step_s} s", usage=guess) from error
        except openai.APIStatusError as error:
            raise refused(error, self._wire.secrets, guess) from error
        except openai.APIConnectionError as error:
            raise broken(error, self._wire.secrets, guess) from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            evidence = redact(f"{type(error).__name__}: {error}", self._wire.secrets)
            raise AttemptFailed(FailureKind.RETRYABLE, evidence, unknown=True) from error
        return self._parsed(text, guess)

    async def _post(self, body: Native) -> bytes:
        """Send one request. Each has its own connection: a step takes seconds, and nothing is left open after it."""
        async with asyncio.timeout(self._wire.step_s), client_of(self._wire, self._trust) as client:
            raw = await client.chat.completions.with_raw_response.create(**body, extra_body=dict(self._wire.options))
            return bytes(raw.http_response.content)

    def _parsed(self, text: bytes, guess: Usage) -> tuple[Native, Usage]:
        body = read_json(text, guess)
        usage = self._priced(usage_of(body.get("usage"), guess), str(body.get("model") or self._wire.model))
        return self._kept(message_in(body, usage)), usage

    def _kept(self, message: Native) -> Native:
        """Keep of the provider's message what it wants back, verbatim."""
        kept = {name: message[name] for name in ("content", "tool_calls") if message.get(name) is not None}
        thought = (
            {"reasoning_content": message.get("reasoning_content") or ""} if self._wire.hand_back_reasoning else {}
        )
        return {"role": "assistant", "content": "", **kept, **thought}

    def _priced(self, usage: Usage, model: str) -> Usage:
        return usage.model_copy(update={"cost": self._price(usage, model)})

    def _spell(self, place: int, message: Message, messages: Sequence[Message], names: Names) -> Native:
        said = self._said.get(place)
        if said is not None and said[0] == message:
            return said[1]
        if message.role == "tool":
            return {"role": "tool", "tool_call_id": self._call_id(place, messages), "content": clean(message.content)}
        if message.role == "assistant" and message.calls:
            return spelled_calls(place, message, names, reasoning=self._wire.hand_back_reasoning)
        return {"role": message.role, "content": clean(message.content)}

    def _call_id(self, place: int, messages: Sequence[Message]) -> str:
        """Find the id of the call that a tool message answers: results stand in the order of the calls."""
        caller = next(before for before in range(place - 1, -1, -1) if messages[before].role == "assistant")
        number = place - caller - 1
        said = self._said.get(caller)
        if said is not None and said[0] == messages[caller]:
            return str(said[1]["tool_calls"][number]["id"])
        return _id(caller, number)


def client_of(wire: Wire, trust: ssl.SSLContext | None) -> openai.AsyncOpenAI:
    """Make the client; its own retries are off."""
    return openai.AsyncOpenAI(
        api_key=wire.key.get_secret_value(), base_url=wire.base_url, max_retries=0, timeout=wire.read_s,
        http_client=bounded_client(wire.read_s, trust),
    )  # fmt: skip


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


def _id(place: int, number: int) -> str:
    return f"call_{place}_{number}"


def spelled_calls(place: int, message: Message, names: Names, *, reasoning: bool) -> Native:
    """Spell calls that this chat did not make itself, in the provider's form."""
    requests = [
        {
            "id": _id(place, number),
            "type": "function",
            "function": {"name": names.wire(call.name), "arguments": json.dumps(dict(call.arguments))},
        }
        for number, call in enumerate(message.calls)
    ]
    thought = {"reasoning_content": message.reasoning or ""} if reasoning else {}
    return {"role": "assistant", "content": message.content, "tool_calls": requests, **thought}


def _again(text: str) -> Native:
    return {"role": "user", "content": f"Your last answer could not be used: {text}\nAnswer again, mended."}


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
