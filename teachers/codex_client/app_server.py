"""The Codex client's app-server: one process a play, JSON-RPC on its pipes, typed failures, exact quota resets.

The protocol is the client's own and called experimental; what is used of it was verified on codex-cli 0.163
(`codex app-server generate-json-schema`).
"""

import json
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.errors import FailureKind
from loop.types import Usage
from teachers.budget.limits import Window
from teachers.codex_client.binary import STRICT
from teachers.codex_client.exec_step import ROUTER, STRAYS, stray
from teachers.codex_client.home import Home
from teachers.codex_client.outcomes import failure
from teachers.codex_client.process import ClientProcess
from teachers.codex_client.windows import merged, reset_of, windows_of
from teachers.provider.evidence import evidence
from teachers.provider.numbers import tokens
from teachers.provider.prompt import POLICY
from teachers.provider.retry import AttemptFailed

HARMLESS: Final = frozenset({"userMessage", "agentMessage", "reasoning"})
CAP: Final = 64_000_000
"""Bytes that one play's server may write; it repeats every answer token by token."""
BAD_PARAMS: Final = -32602
Json = dict[str, Any]


class ToolRequest(NamedTuple):
    """A native tool call that waits for its result."""

    id: int | str
    name: str
    arguments: JsonValue


@dataclass
class AppServerTurn:
    """What came of a turn: a closing text, or a call that waits."""

    text: str | None = None
    request: ToolRequest | None = None
    usage: Usage = field(default_factory=Usage)


class AppServer:
    """A running server, used from one thread."""

    def __init__(self, home: Home, *, native: bool = False) -> None:
        """Start it. `native`: the model is given the play's tools as functions."""
        strict = ["--strict-config"] if home.version >= STRICT else []
        self._home = home
        self._native = native
        self._child = ClientProcess([str(home.binary), "app-server", *strict], home.env, home.empty, cap=CAP)
        self._number = 0
        self._strays: deque[str] = deque(maxlen=STRAYS)
        self.windows: tuple[Window, ...] = ()
        """The provider's limits as it told them last."""

    def close(self) -> None:
        """End the process and its group."""
        self._child.kill()

    def greet(self, deadline: float) -> None:
        """Shake hands."""
        client = {"name": "loopd", "version": "0.1"}
        self.call("initialize", {"clientInfo": client, "capabilities": {"experimentalApi": self._native}}, deadline)
        self._send({"method": "initialized"})

    def open_thread(self, tools: Iterable[Json], deadline: float) -> str:
        """Begin a conversation; returns its id."""
        params: Json = {
            "ephemeral": True, "cwd": str(self._home.empty), "approvalPolicy": "never", "sandbox": "read-only",
            "baseInstructions": POLICY,
        }  # fmt: skip
        if self._native:
            params["dynamicTools"] = list(tools)
        return str(self.call("thread/start", params, deadline)["thread"]["id"])

    def begin_turn(self, thread: str, text: str, schema: JsonValue, deadline: float) -> AppServerTurn:
        """Say something in a conversation and wait for what comes of it."""
        params: Json = {"threadId": thread, "input": [{"type": "text", "text": text}]}
        if not self._native:
            params["outputSchema"] = schema
        said = AppServerTurn()
        self.call("turn/start", params, deadline, said)
        return self.listen(deadline, said)

    def answer_tool(self, request: ToolRequest, text: str, *, ok: bool, deadline: float) -> AppServerTurn:
        """Give a waiting call its result and wait for what comes of it."""
        result = {"contentItems": [{"type": "inputText", "text": text}], "success": ok}
        self._send({"id": request.id, "result": result})
        return self.listen(deadline, AppServerTurn())

    def limits(self, deadline: float) -> tuple[Window, ...]:
        """Ask how much of the subscription's quota is used; costs no model call."""
        answer = self.call("account/rateLimits/read", {}, deadline)
        return windows_of(answer.get("rateLimits"), time.time())

    def call(self, method: str, params: Json, deadline: float, said: AppServerTurn | None = None) -> Json:
        """Make a request and wait for its result.

        Raises:
            AttemptFailed: it was refused, or the server went away.
        """
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._next(deadline)
            if "method" in message:
                self._notice(message, said if said is not None else AppServerTurn())
            elif message.get("id") == self._number:
                return self._result(message)

    def _result(self, message: Json) -> Json:
        error = message.get("error")
        if not isinstance(error, dict):
            result = message.get("result")
            return result if isinstance(result, dict) else {}
        text = evidence(json.dumps(error), self._home.secrets)
        too_large = error.get("code") == BAD_PARAMS and "input_too_large" in text
        raise AttemptFailed(FailureKind.BAD_INPUT if too_large else FailureKind.FATAL, f"the client refuses: {text}")

    def listen(self, deadline: float, said: AppServerTurn) -> AppServerTurn:
        """Wait until the turn ends or the model calls a tool of the play."""
        while said.request is None:
            message = self._next(deadline)
            if message.get("method") == "turn/completed":
                return self._ended(message["params"]["turn"], said)
            self._notice(message, said)
        return said

    def _ended(self, turn: Json, said: AppServerTurn) -> AppServerTurn:
        if turn.get("status") == "completed":
            return said
        error = turn.get("error") or {}
        info = error.get("codexErrorInfo")
        text = str(error.get("message") or f"the turn ended as {turn.get('status')}")
        raise failure(text, time.time(), info=info, reset=self._reset(), secrets=self._home.secrets)

    def _reset(self) -> float | None:
        return reset_of(self.windows, time.time())

    def _notice(self, message: Json, said: AppServerTurn) -> None:
        method, params = message.get("method"), message.get("params") or {}
        if "id" in message:
            said.request = self._tool_request(message, params)
        elif method in {"item/started", "item/completed"}:
            self._take(params.get("item") or {}, said)
        elif method == "thread/tokenUsage/updated":
            self._count(params, said)
        elif method == "account/rateLimits/updated":
            now = time.time()
            self.windows = merged(self.windows, windows_of(params.get("rateLimits"), now), now)

    def _tool_request(self, message: Json, params: Json) -> ToolRequest:
        if not self._native or message["method"] != "item/tool/call":
            raise AttemptFailed(FailureKind.UNSAFE, f"the client asked for {evidence(str(message['method']))}")
        return ToolRequest(message["id"], str(params.get("tool")), params.get("arguments"))

    def _take(self, item: Json, said: AppServerTurn) -> None:
        kind = item.get("type")
        if kind == "agentMessage":
            said.text = str(item.get("text", ""))
        elif kind not in HARMLESS and not (self._native and kind == "dynamicToolCall"):
            raise AttemptFailed(FailureKind.UNSAFE, f"the client began to use a tool: {str(kind)[:80]}")

    def _count(self, params: Json, said: AppServerTurn) -> None:
        last = params["tokenUsage"]["last"]
        said.usage += Usage(
            prompt_tokens=tokens(last.get("inputTokens")),
            cached_tokens=tokens(last.get("cachedInputTokens")),
            completion_tokens=tokens(last.get("outputTokens")),
            requests=1,
        )
        if said.usage.requests > 1 and not self._native:
            raise AttemptFailed(FailureKind.UNSAFE, "the client asked the model twice in one step", usage=said.usage)

    def _next(self, deadline: float) -> Json:
        while (line := self._child.line(deadline)) is not None:
            if line.stream == "out":
                return self._parsed(line.text)
            if ROUTER in line.text:
                raise AttemptFailed(FailureKind.UNSAFE, f"the model called a tool of the client: {evidence(line.text)}")
        raise failure(self._last_words(), time.time(), secrets=self._home.secrets)

    def _parsed(self, text: str) -> Json:
        """Read a message. A line that is none comes from a wrapper around the client; it is evidence, no more."""
        try:
            message = parse(text)
        except NotJson as error:
            self._strays.append(stray(text, error))
            return {}
        return message if isinstance(message, dict) else {}

    def _last_words(self) -> str:
        lines = [line for line in (*self._strays, *self._child.errors) if "WARNING" not in line]
        return " ".join(lines[-4:]) or f"transport closed: the client ended with code {self._child.wait()}"

    def _send(self, message: Json) -> None:
        self._child.send(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
