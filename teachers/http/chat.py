"""A play's conversation with a chat-completions server: native tools, verbatim history, a deadline of our own.

The `openai` client is used without its retries and with a hard deadline around it: its own time-out is for one read,
and a busy server defeats it with blank lines (https://platform.openai.com/docs/api-reference/chat).
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2
import openai

from loop.canonical import clean
from loop.errors import FailureKind
from loop.redaction import blanked
from loop.types import Call, Catalogue, Message, Reply, Usage
from teachers.base.teacher import CHARACTERS_PER_TOKEN
from teachers.http.client import bounded_client
from teachers.http.ids import own_id, with_ids
from teachers.http.outcomes import broken, refused
from teachers.http.reading import Native, message_in, read, read_json, usage_of
from teachers.http.wire import Wire
from teachers.provider.evidence import evidence
from teachers.provider.names import Names
from teachers.provider.retry import AttemptFailed, Patience, persist

LONGEST_MODEL = 100
"""Characters of the name of the model that answered."""


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
        self._ids: set[str] = set()
        self._trust = None if wire.base_url.lower().startswith("http:") else httpx2.create_ssl_context()

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far."""
        names = Names(tool.name for tool in catalogue.tools)
        history = [self._spell(index, message, messages, names) for index, message in enumerate(messages)]
        natives: list[Native] = []

        def ask(complaints: tuple[str, ...]) -> Reply:
            body = self._body([*history, *map(_again, complaints[-1:])], names.functions(catalogue))
            native, usage = self._exchange(body)
            natives.append(native)
            return Reply(message=read(native, usage, catalogue, names, self._wire), usage=usage)

        answer = persist(ask, self._patience)
        self._said[len(messages)] = (answer.message, self._kept(natives[-1], answer.message, len(messages)))
        return answer

    def _body(self, messages: list[Native], functions: list[Native]) -> Native:
        limit = {} if self._wire.max_tokens is None else {"max_tokens": self._wire.max_tokens}
        tools = {"tools": functions, "tool_choice": "auto"} if functions else {}
        return {"model": self._wire.model, "messages": messages, "stream": False, **limit, **tools}

    def _exchange(self, body: Native) -> tuple[Native, Usage]:
        length = int(len(json.dumps(body)) / CHARACTERS_PER_TOKEN)
        guess = self._priced(Usage(prompt_tokens=length, requests=1), self._wire.model)
        try:
            answer, headers = asyncio.run(self._post(body))
        except TimeoutError as error:
            raise AttemptFailed(FailureKind.RETRYABLE, f"no answer in {self._wire.step_s} s", usage=guess) from error
        except openai.APIStatusError as error:
            raise refused(error, self._wire.secrets, guess) from error
        except openai.APIConnectionError as error:
            raise broken(error, self._wire.secrets, guess) from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            text = evidence(f"{type(error).__name__}: {error}", self._wire.secrets)
            raise AttemptFailed(FailureKind.RETRYABLE, text, unknown=True) from error
        return self._parsed(answer, headers, guess)

    async def _post(self, body: Native) -> tuple[bytes, dict[str, str]]:
        """Send one request. Each has its own connection: a step takes seconds, and nothing is left open after it."""
        async with asyncio.timeout(self._wire.step_s), client_of(self._wire, self._trust) as client:
            raw = await client.chat.completions.with_raw_response.create(**body, extra_body=dict(self._wire.options))
            response = raw.http_response
            return bytes(response.content), {name.lower(): value for name, value in response.headers.items()}

    def _parsed(self, text: bytes, headers: Mapping[str, str], guess: Usage) -> tuple[Native, Usage]:
        body = read_json(text, guess)
        model = blanked(str(body.get("model") or self._wire.model), self._wire.secrets)[:LONGEST_MODEL]
        usage = self._priced(usage_of(body.get("usage"), guess), model)
        return message_in(body, headers, self._wire.secrets, usage), usage

    def _kept(self, native: Native, message: Message, index: int) -> Native:
        """Keep of the provider's message what it wants back, verbatim but for what it would refuse itself."""
        kept: Native = {"role": "assistant", "content": message.content}
        if message.calls:
            requests = with_ids(native["tool_calls"], index, self._ids)
            kept["tool_calls"] = list(map(_mended, requests, message.calls))
        if self._wire.hand_back_reasoning:
            kept["reasoning_content"] = native.get("reasoning_content") or message.reasoning or ""
        return kept

    def _priced(self, usage: Usage, model: str) -> Usage:
        return usage.model_copy(update={"cost": self._price(usage, model)})

    def _spell(self, index: int, message: Message, messages: Sequence[Message], names: Names) -> Native:
        said = self._said.get(index)
        if said is not None and said[0] == message:
            return said[1]
        if message.role == "tool":
            return {"role": "tool", "tool_call_id": self._call_id(index, messages), "content": clean(message.content)}
        if message.role == "assistant" and message.calls:
            return spelled_calls(index, message, names, reasoning=self._wire.hand_back_reasoning)
        return {"role": message.role, "content": clean(message.content)}

    def _call_id(self, index: int, messages: Sequence[Message]) -> str:
        """Find the id of the call that a tool message answers: results stand in the order of the calls."""
        caller = next(before for before in range(index - 1, -1, -1) if messages[before].role == "assistant")
        number = index - caller - 1
        said = self._said.get(caller)
        if said is not None and said[0] == messages[caller]:
            return str(said[1]["tool_calls"][number]["id"])
        return own_id(caller, number)


def client_of(wire: Wire, trust: ssl.SSLContext | None) -> openai.AsyncOpenAI:
    """Make the client; its own retries are off."""
    return openai.AsyncOpenAI(
        api_key=wire.key.get_secret_value(), base_url=wire.base_url, max_retries=0, timeout=wire.read_s,
        http_client=bounded_client(wire.read_s, trust),
    )  # fmt: skip


def _mended(request: dict[str, Any], call: Call) -> dict[str, Any]:
    """Spell a call's arguments as an object where the server did not, since it may read them back."""
    function = request["function"]
    given = function.get("arguments")
    whole = isinstance(given, str) and given.lstrip().startswith("{")
    arguments = given if whole else json.dumps(dict(call.arguments))
    return {"type": "function", **request, "function": {**function, "arguments": arguments}}


def spelled_calls(index: int, message: Message, names: Names, *, reasoning: bool) -> Native:
    """Spell calls that this chat did not make itself, in the provider's form."""
    requests = [
        {
            "id": own_id(index, number),
            "type": "function",
            "function": {"name": names.wire(call.name), "arguments": json.dumps(dict(call.arguments))},
        }
        for number, call in enumerate(message.calls)
    ]
    thought = {"reasoning_content": message.reasoning or ""} if reasoning else {}
    return {"role": "assistant", "content": message.content, "tool_calls": requests, **thought}


def _again(text: str) -> Native:
    return {"role": "user", "content": f"Your last answer could not be used: {text}\nAnswer again, mended."}
