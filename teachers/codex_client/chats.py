"""A play's conversation with the Codex client, over either transport."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from loop.canonical import clean
from loop.errors import FailureKind, ProviderError
from loop.types import Catalogue, Message, Reply, Usage
from teachers.base.teacher import CHARACTERS_PER_TOKEN
from teachers.codex_client.app_server import AppServer, AppServerTurn, ToolRequest
from teachers.codex_client.exec_step import run_step
from teachers.codex_client.home import Home
from teachers.provider import prompt
from teachers.provider.answers import answer_schema, arguments_of, checked_call, read_answer
from teachers.provider.complaint import complaint
from teachers.provider.evidence import evidence
from teachers.provider.names import Names
from teachers.provider.retry import AttemptFailed, Patience, persist
from teachers.provider.spoken import spoken

REFRESH_REST = 2.0
"""Seconds before a refused credential is tried again; another process may be refreshing it."""


@dataclass
class Turnstile:
    """Lets attempts through; after a refused credential one at a time, and late."""

    home: Home
    sleep: Callable[[float], None] = time.sleep
    refused: bool = False

    def attempt(self) -> AbstractContextManager[None]:
        """Wait for one's turn."""
        if not self.refused:
            return nullcontext()
        self.sleep(REFRESH_REST)
        return self.home.alone()

    def note(self, error: ProviderError) -> None:
        """Remember a refused credential."""
        self.refused = self.refused or error.kind is FailureKind.AUTH


def charged(error: AttemptFailed, text: str) -> AttemptFailed:
    """Charge a failed attempt with what it sent: the client does not count attempts that fail."""
    reached = error.kind in {FailureKind.RETRYABLE, FailureKind.BAD_OUTPUT, FailureKind.UNSAFE}
    if reached and not error.usage.prompt_tokens:
        error.usage += Usage(prompt_tokens=int(len(text) / CHARACTERS_PER_TOKEN))
    return error


@dataclass
class ExecChat:
    """One `codex exec` a step; the whole conversation goes with every prompt."""

    home: Home
    seconds: float
    patience: Patience

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far."""
        text, schema = prompt.opening(messages, catalogue), json.dumps(answer_schema(catalogue))
        turnstile = Turnstile(self.home)

        def ask(complaints: tuple[str, ...]) -> Reply:
            asked = prompt.complained(text, complaints)
            try:
                with turnstile.attempt():
                    answer, usage = run_step(self.home, asked, schema, self.seconds)
            except AttemptFailed as error:
                turnstile.note(error)
                raise charged(error, asked) from error
            return Reply(message=counted(lambda: read_answer(answer, catalogue), usage), usage=usage)

        return persist(ask, self.patience)


@contextmanager
def drift() -> Iterator[None]:
    """Turn an event of another form than this release knows into a failed attempt."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        text = f"the client speaks another protocol: {type(error).__name__}: {error}"
        raise AttemptFailed(FailureKind.RETRYABLE, evidence(text), unknown=True) from error


def counted(read: Callable[[], Message], usage: Usage) -> Message:
    """Read an answer; a refused one keeps its price."""
    try:
        return read()
    except ProviderError as error:
        raise AttemptFailed(error.kind, str(error), usage=usage) from error


@dataclass
class AppServerChat:
    """One app-server a play. It keeps the conversation, so a step sends only what is new.

    After any failure the server is replaced and told everything again: nobody guesses what a broken one remembers.
    """

    home: Home
    seconds: float
    patience: Patience
    native: bool = False
    _server: AppServer | None = None
    _thread: str = ""
    _offered: str = ""
    """`Catalogue.id` of the tools that the thread knows."""
    _told: int = 0
    """Messages that the thread knows."""
    _waiting: ToolRequest | None = None
    """A native call without its result."""
    _names: Names = field(default_factory=lambda: Names(()))

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far."""
        turnstile = Turnstile(self.home)

        def ask(complaints: tuple[str, ...]) -> Reply:
            try:
                with turnstile.attempt(), drift():
                    said = self._step(messages, catalogue, complaints, time.monotonic() + self.seconds)
            except AttemptFailed as error:
                turnstile.note(error)
                self.close()
                raise charged(error, prompt.lines(messages)) from error
            return Reply(message=counted(lambda: self._read(said, catalogue), said.usage), usage=said.usage)

        return persist(ask, self.patience)

    def _step(
        self, messages: Sequence[Message], catalogue: Catalogue, complaints: Sequence[str], deadline: float
    ) -> AppServerTurn:
        if self._server is None or self._offered != catalogue.id:
            self.close()
            return self._begin(messages, catalogue, complaints, deadline)
        news = [message for message in messages[self._told :] if message.role != "assistant"]
        self._told = len(messages)
        if self._waiting is not None:
            return self._answer_waiting(self._server, self._waiting, news, complaints, deadline)
        text = prompt.complained("" if complaints else prompt.continuation(news), complaints[-1:])
        return self._server.begin_turn(self._thread, text, answer_schema(catalogue), deadline)

    def _begin(
        self, messages: Sequence[Message], catalogue: Catalogue, complaints: Sequence[str], deadline: float
    ) -> AppServerTurn:
        server = self._server = AppServer(self.home, native=self.native)
        server.greet(deadline)
        self._names = Names(tool.name for tool in catalogue.tools)
        self._thread = server.open_thread(self._names.dynamic_tools(catalogue), deadline)
        self._offered, self._told = catalogue.id, len(messages)
        text = prompt.native_opening(messages) if self.native else prompt.opening(messages, catalogue)
        return server.begin_turn(self._thread, prompt.complained(text, complaints), answer_schema(catalogue), deadline)

    def _answer_waiting(
        self,
        server: AppServer,
        request: ToolRequest,
        news: Sequence[Message],
        complaints: Sequence[str],
        deadline: float,
    ) -> AppServerTurn:
        self._waiting = None
        if complaints:
            return server.answer_tool(request, complaints[-1], ok=False, deadline=deadline)
        result = next(message for message in news if message.role == "tool")
        return server.answer_tool(request, result.content, ok=result.ok is not False, deadline=deadline)

    def _read(self, said: AppServerTurn, catalogue: Catalogue) -> Message:
        if said.request is not None:
            self._waiting = said.request
            return self._read_call(said.request, catalogue)
        if not said.text:
            raise complaint("the answer was empty")
        if self.native:
            return Message(role="assistant", content=clean(self._spoken(said.text)))
        return read_answer(said.text, catalogue)

    def _spoken(self, text: str) -> str:
        said = spoken(text, self._names.all()).text
        if not said.strip():
            raise complaint("the answer holds thoughts and no message")
        return said

    def _read_call(self, request: ToolRequest, catalogue: Catalogue) -> Message:
        tool = catalogue.find(self._names.original(request.name))
        if tool is None:
            raise complaint(f"there is no tool '{request.name[:80]}'")
        arguments = arguments_of(request.arguments, tool.name)
        return Message(role="assistant", content="", calls=(checked_call(tool, arguments),))

    def close(self) -> None:
        """End the server, if one runs."""
        if self._server is not None:
            self._server.close()
        self._server, self._thread, self._waiting, self._told = None, "", None, 0
