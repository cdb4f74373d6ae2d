"""A policy in another program, as a player: it is asked like any chat-completions server, with the policy's own words.

Its template is expected to hold the policy's system prompt, so that message is not sent. Calls are read where the
server found them, or else in its text, as the student's are.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import httpx2
from pydantic import JsonValue, ValidationError

from loop.canonical import NotJson
from loop.canonical import parse as parse_json
from loop.dataset import chat_format
from loop.errors import FailureKind, ProviderError
from loop.templates.parse import Parsed
from loop.templates.render import Renderer, Template
from loop.types import Call, Catalogue, Message, Record, Reply, Task, Usage

__all__ = ["Elsewhere"]

OK = 200
SERVER_ERROR = 500


class ForeignFunction(Record, extra="ignore"):
    """A call's function."""

    name: str
    arguments: JsonValue = "{}"


class ForeignCall(Record, extra="ignore"):
    """One call."""

    function: ForeignFunction


class ForeignMessage(Record, extra="ignore"):
    """What the server answered."""

    content: str | None = None
    tool_calls: tuple[ForeignCall, ...] | None = None


class ForeignChoice(Record, extra="ignore"):
    """The one choice of an answer."""

    message: ForeignMessage


class ForeignUsage(Record, extra="ignore"):
    """What it counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class ForeignCompletion(Record, extra="ignore"):
    """An answer of `POST /chat/completions`."""

    choices: tuple[ForeignChoice, ...]
    usage: ForeignUsage | None = None


class Elsewhere(Record):
    """A server of another program that holds an exported policy."""

    url: str
    """With its `/v1`, where it has one."""
    model: str
    base: str
    """Directory of the base model, whose tokenizer the template needs."""
    template: str
    system: str = ""
    """The policy's system prompt: the exported template has it."""
    max_tokens: int = 512
    timeout: float = 600.0

    @property
    def name(self) -> str:
        """The name in the store."""
        return "elsewhere"

    def open(self, task: Task, seed: int) -> "ElsewhereChat":  # noqa: ARG002 - greedy, whatever the seed
        """Begin a conversation."""
        return ElsewhereChat(self, Renderer.load(Path(self.base), self.template).template)


class ElsewhereChat:
    """One play."""

    def __init__(self, server: Elsewhere, template: Template) -> None:
        self._server, self._template = server, template
        self._http = httpx2.Client(timeout=server.timeout, trust_env=False, follow_redirects=False)

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far, greedily.

        Raises:
            ProviderError: the server is gone (LOST), failed (RETRYABLE), refuses (BAD_INPUT) or answers something else.
        """
        rendered, tools = request(messages, catalogue, self._template, self._server.system, arguments="string")
        body = {
            "model": self._server.model,
            "messages": rendered,
            "temperature": 0.0,
            "max_tokens": self._server.max_tokens,
            **({"tools": tools} if tools else {}),
        }
        try:
            answer = self._http.post(f"{self._server.url.rstrip('/')}/chat/completions", json=body)
        except httpx2.HTTPError as error:
            raise ProviderError(FailureKind.LOST, f"{type(error).__name__}: {error}") from error
        if answer.status_code != OK:
            kind = FailureKind.RETRYABLE if answer.status_code >= SERVER_ERROR else FailureKind.BAD_INPUT
            raise ProviderError(kind, f"HTTP {answer.status_code}: {answer.text[:500]}")
        return self._read(answer.content, catalogue)

    def _read(self, body: bytes, catalogue: Catalogue) -> Reply:
        try:
            completion = ForeignCompletion.model_validate_json(body)
            said = completion.choices[0].message
            calls = tuple(self._template.plain(_call(call.function)) for call in said.tool_calls or ())
        except (ValidationError, IndexError, NotJson, ValueError) as error:
            raise ProviderError(FailureKind.BAD_OUTPUT, f"no chat completion: {str(error)[:500]}") from error
        text = said.content or ""
        parsed = Parsed(content=text.strip(), calls=calls) if calls else self._template.read(text, catalogue)
        message = Message(role="assistant", content=parsed.content, calls=parsed.calls, fault=parsed.fault)
        counted = completion.usage.model_dump() if completion.usage else {}
        return Reply(message=message, usage=Usage(**counted, requests=1))

    def close(self) -> None:
        """End the connection."""
        self._http.close()


def request(
    messages: Sequence[Message],
    catalogue: Catalogue,
    template: Template,
    system: str,
    arguments: chat_format.Arguments = "object",
) -> tuple[list[dict[str, JsonValue]], list[dict[str, JsonValue]]]:
    """Spell a conversation as a client of an exported policy does, the policy's own prompt left out."""
    own = bool(messages) and messages[0].role == "system" and messages[0].content == system
    kept = messages[1:] if own else messages
    rendered = [*chat_format.messages(kept, catalogue, arguments, template.new_tools)]
    return rendered, chat_format.tools(messages, catalogue)


def _call(function: ForeignFunction) -> Call:
    given = parse_json(function.arguments) if isinstance(function.arguments, str) else function.arguments
    if not isinstance(given, dict):
        raise ValueError(f"the arguments of {function.name[:60]} are no object: {json.dumps(given)[:100]}")  # noqa: TRY004
    return Call(name=function.name, arguments=given)
