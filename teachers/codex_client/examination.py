"""Examines the operator's own Codex client against a loopback fake, with the very configuration that plays use.

Configuration keys drift between releases; a lost one would silently hand a model tools of the client. This turns it
into a clear line before anything is asked of a real provider.
"""

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from loop.errors import FailureKind, ProviderError
from loop.types import Catalogue, Chat, Message, Tool
from teachers.base.finding import ProbeFinding
from teachers.codex_client.binary import OLDEST, STRICT
from teachers.codex_client.exec_step import ROUTER
from teachers.codex_client.home import Home
from teachers.fakes.minds import closing, saying
from teachers.fakes.responses import FakeResponses, offered
from teachers.provider.retry import Patience

KEY = "LOOPD_DOCTOR_KEY"
STEP_S = 20.0
QUICK_S = 5.0
NEVER = Patience(retryable=0, unknown=0, bad_output=0, auth=0)
TOOL = Tool(name="look", description="Look around.", parameters={"type": "object", "properties": {}})
ASKED = (Message(role="user", content="Say done."),)
SHELL = {"type": "function_call", "name": "exec_command", "arguments": '{"cmd": "touch was_here; id; env"}'}
"""What a model may try when a tool's result told it to."""


class Examined(Protocol):
    """The Codex teacher, as far as it is examined."""

    @property
    def native_tools(self) -> bool:
        """Whether the model is given the play's tools as functions."""
        ...

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """Change settings."""
        ...

    def prepared(self, environ: Mapping[str, str]) -> Home:
        """Make its private home."""
        ...

    def chat(self, home: Home) -> Chat:
        """Begin a conversation."""
        ...


def examine(teacher: Examined, environ: Mapping[str, str]) -> tuple[ProbeFinding, ...]:
    """Check installation, credential and safety; no request leaves this machine."""
    with tempfile.TemporaryDirectory() as base:
        try:
            return tuple(_findings(teacher, base, environ))
        except ProviderError as error:
            return (ProbeFinding(name="client", ok=False, detail=str(error)),)


def _findings(teacher: Examined, base: str, environ: Mapping[str, str]) -> Iterator[ProbeFinding]:
    with FakeResponses(saying(closing())) as fake:
        home, chat = _set_up(teacher, base, f"{fake.url}/v1")
        yield _version(home)
        yield _answered(chat)
        yield from _request(fake.asked[-1].body if fake.asked else {}, native=teacher.native_tools)
        fake.fail("tool", item=SHELL)
        yield _refuses(chat, home)
    yield _ends_quickly(_set_up(teacher, base, f"http://127.0.0.1:{dead_port()}/v1")[1])
    yield _credential(teacher, environ)


def _set_up(teacher: Examined, base: str, url: str) -> tuple[Home, Chat]:
    settings = {"base_url": url, "key_env": KEY, "home": base, "compress": False, "step_s": STEP_S, "patience": NEVER}
    changed = teacher.model_copy(update=settings)
    home = changed.prepared({KEY: "sk-doctor-no-secret"})
    return home, changed.chat(home)


def _version(home: Home) -> ProbeFinding:
    version, oldest, wanted = (".".join(map(str, parts)) for parts in (home.version, OLDEST, STRICT))
    supported = f"codex-cli {version} at {home.binary}; {oldest} and newer are supported"
    if home.version >= STRICT:
        return ProbeFinding(name="client", ok=True, detail=supported)
    detail = f"{supported}, but from {wanted} on it refuses settings that it does not know, and yours ignores them"
    return ProbeFinding(name="client", ok=False, detail=detail, weight="should")


def _answered(chat: Chat) -> ProbeFinding:
    failed = _failure(lambda: chat.reply(ASKED, Catalogue(tools=(TOOL,))))
    return ProbeFinding(
        name="answers", ok=failed is None, detail="one step was answered" if failed is None else str(failed)
    )


def _request(body: Mapping[str, Any], *, native: bool) -> Iterator[ProbeFinding]:
    tools = offered(body)
    if native:
        foreign = [tool for tool in tools if tool.get("name") != TOOL.name]
        yield ProbeFinding(
            name="no tools of its own", ok=bool(body) and not foreign, detail=f"it offers {names(tools)}"
        )
        return
    yield ProbeFinding(name="no tools of its own", ok=bool(body) and not tools, detail=f"it offers {names(tools)}")
    form = (body.get("text") or {}).get("format") or {}
    strict = form.get("type") == "json_schema" and form.get("strict") is True
    yield ProbeFinding(
        name="strict schema", ok=strict, detail=f"the answer's form is {form.get('type')}, strict {strict}"
    )


def names(tools: list[Any]) -> str:
    """List tools for a person."""
    return ", ".join(str(tool.get("name") or tool.get("type")) for tool in tools) or "nothing"


def _refuses(chat: Chat, home: Home) -> ProbeFinding:
    failed = _failure(lambda: chat.reply(ASKED, Catalogue(tools=(TOOL,))))
    ran = any(Path(home.empty).iterdir())
    refused = failed is not None and failed.kind is FailureKind.UNSAFE and ROUTER in str(failed)
    detail = "the command ran" if ran else str(failed or "the client went on as if nothing had happened")
    return ProbeFinding(name="refuses a forced tool call", ok=refused and not ran, detail=detail)


def _ends_quickly(chat: Chat) -> ProbeFinding:
    began = time.monotonic()
    failed = _failure(lambda: chat.reply(ASKED, Catalogue(tools=(TOOL,))))
    seconds = time.monotonic() - began
    ok = seconds < QUICK_S and failed is not None and failed.kind is FailureKind.RETRYABLE
    return ProbeFinding(name="gives up on a dead port", ok=ok, detail=f"after {seconds:.1f} s: {failed}")


def _credential(teacher: Examined, environ: Mapping[str, str]) -> ProbeFinding:
    failed = _failure(lambda: teacher.prepared(environ))
    detail = "found" if failed is None else str(failed)
    return ProbeFinding(name="credential", ok=failed is None, detail=detail, weight="should")


def _failure(act: Callable[[], object]) -> ProviderError | None:
    try:
        act()
    except ProviderError as error:
        return error
    return None


def dead_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
