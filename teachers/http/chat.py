"""A play's conversation with a chat-completions server: native tools, verbatim history, a deadline of our own.

The `openai` client is used without its retries and with a hard deadline around it: its own time-out is for one read,
and a busy server defeats it with blank lines (https://platform.openai.com/docs/api-reference/chat).
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence

import httpx2
import openai

from loop.canonical import clean
from loop.errors import FailureKind
from loop.types import Catalogue, Message, Reply, Usage
from teachers.base.teacher import CHARACTERS_PER_TOKEN
from teachers.http.client import bounded_client
from teachers.http.outcomes import broken, refused
from teachers.http.reading import Native, message_in, read, read_json, usage_of
from teachers.http.wire import Wire
from teachers.provider.evidence import redact
from teachers.provider.names import Names
from teachers.provider.retry import AttemptFailed, Patience, persist


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
