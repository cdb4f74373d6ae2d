"""Every HTTP server of ours: on loopback or a Unix socket, behind a token, bounded in all that a client may do to it.

`Guard` lets nobody through who does not know the token, or who comes from a web page or under another host's name, and
reads a request's body within its bounds. `Connections` bounds what comes before a request: how many connections there
are, how long a head may take, and how long somebody may refuse to read what is written to him.
"""

import asyncio
import hmac
import resource
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from pydantic import Field
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from loop.types import Record

ADDRESS: Final = "127.0.0.1"
NAMES: Final = frozenset({ADDRESS, "localhost", "::1"})
"""Whom a request may ask for: other names are another site's that resolves to us."""
BACKLOG: Final = 64
"""Connections that the kernel holds for us. Where descriptors run out, asyncio reports each of them."""
SPARE: Final = 96
"""Descriptors that connections leave to the rest of the process."""
ENOUGH: Final = 4096
"""Descriptors that a process of ours asks for; macOS gives 256 to who asks for none."""
ENDING: Final = 20.0
"""Seconds in which a server's thread ends, what it started included."""

Refusal = Callable[[int, str], Response]
"""Spells a refusal: a status and why."""


class ClientLimits(Record):
    """What a client may take of a server. Times are in seconds."""

    connections: int = Field(default=64, ge=1)
    """At once; one more is answered with 503 and closed."""
    head: float = 10
    """From the connection, or from a request's first byte, to the end of its head."""
    body: float = 30
    """From the end of the head to that of the body."""
    bytes: int = 64 * 1024
    """Of a body."""
    idle: float = 5
    """Between two requests on one connection."""
    reading: float = 60
    """That a client may read nothing of what waits for it."""


class Timer:
    """Ends a connection after a while, unless it is stopped before."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._handle: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._handle is not None

    def start(self, seconds: float) -> None:
        """Start it anew."""
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def stop(self) -> None:
        """Stop it, where it runs."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class Connections(H11Protocol):
    """One connection, and what uvicorn does not bound of it."""

    config: "ServerSettings"
    head: Timer
    reading: Timer
    _turned_away = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, or turn it away where there are too many."""
        super().connection_made(transport)
        self.head, self.reading = Timer(transport), Timer(transport)
        if len(self.connections) > self.config.limits.connections:
            self._turned_away = True
            self.connections.discard(self)
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
                b"content-length: 21\r\ncontent-type: text/plain\r\n\r\nToo many connections."
            )
            transport.close()
            return
        self.head.start(self.config.limits.head)

    def data_received(self, data: bytes) -> None:
        """Read on; the end of a head is waited for once, however many pieces it comes in."""
        if self._turned_away:
            return
        if self._between and not self.head.runs:
            self.head.start(self.config.limits.head)
        super().data_received(data)
        if not self._between:
            self.head.stop()

    def on_response_complete(self) -> None:
        """Go on to a request that came with the one before."""
        super().on_response_complete()
        if self._between and self.conn.trailing_data[0]:
            self.head.start(self.config.limits.head)

    def pause_writing(self) -> None:
        """Note that the client does not read what it asked for."""
        super().pause_writing()
        self.reading.start(self.config.limits.reading)

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        self.reading.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.head.stop()
        self.reading.stop()
        super().connection_lost(exc)

    @property
    def _between(self) -> bool:
        """Whether no request is under way."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete


class ServerSettings(uvicorn.Config):
    """uvicorn's settings, and our limits."""

    def __init__(self, app: ASGIApp, limits: ClientLimits, *, farewell: int = 1) -> None:
        """Bind an application to limits.

        Args:
            app: the application.
            limits: what clients may take.
            farewell: seconds that requests under way have at the end.
        """
        room = descriptors() - SPARE
        self.limits = limits.model_copy(update={"connections": max(1, min(limits.connections, room))})
        super().__init__(
            app,
            http=Connections,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=int(limits.idle),
            timeout_graceful_shutdown=farewell,
        )


class Guard:
    """Passes on what comes with the token, from this machine and within bounds; answers the rest itself."""

    def __init__(self, app: ASGIApp, token: str, limits: ClientLimits, refusal: Refusal) -> None:
        """Stand before an application.

        Args:
            app: the application; it finds the whole body in one message.
            token: the bearer token.
            limits: of the body.
            refusal: spells a refusal as this server's clients read it.
        """
        self.app, self.token, self.limits, self.refusal = app, token.encode(), limits, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", [])}
        if scope["type"] != "http":
            return
        if refused := self._refused(headers):
            await self.refusal(*refused)(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.limits.body):
                body = await self._body(headers, receive)
        except _Gone:
            return
        except TimeoutError:
            await self.refusal(408, f"The request took longer than {self.limits.body:g} s.")(scope, receive, send)
        else:
            if body is None:
                await self.refusal(413, f"A request is {self.limits.bytes} bytes at most.")(scope, receive, send)
            else:
                await self.app(scope, _with(body, receive), send)

    def _refused(self, headers: dict[bytes, str]) -> tuple[int, str] | None:
        host = headers.get(b"host", "")
        if _name(host) not in NAMES:
            return 400, "This is loopd on loopback; ask for it by that name."
        if not hmac.compare_digest(_token(headers).encode(), self.token):
            return 401, "The key is missing or wrong."
        origin = headers.get(b"origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "Web pages of others have no business here."
        return None

    async def _body(self, headers: dict[bytes, str], receive: Receive) -> bytes | None:
        """Read the body; None where it is too long."""
        length = headers.get(b"content-length", "0")
        if length.isdecimal() and int(length[:20]) > self.limits.bytes:
            return None
        body, more = bytearray(), True
        while more and len(body) <= self.limits.bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body) if len(body) <= self.limits.bytes else None


class _Gone(Exception):
    """The client went away before it had said what it wanted."""


def _with(body: bytes, receive: Receive) -> Receive:
    """Hand the body on, then what comes after it: that the client went away."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _token(headers: dict[bytes, str]) -> str:
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def descriptors() -> int:
    """Ask for enough descriptors, and say how many this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= ENOUGH or soft == resource.RLIM_INFINITY:
        return ENOUGH
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


Beside = Callable[[], Coroutine[Any, Any, None]]
"""What runs in the server's event loop until it ends, and is cancelled then."""


@contextmanager
def serving(  # noqa: PLR0913 - a server is told these
    app: ASGIApp,
    listener: socket.socket,
    limits: ClientLimits,
    *,
    name: str,
    farewell: int = 1,
    beside: Beside | None = None,
) -> Iterator[None]:
    """Serve an application in a thread of that name for as long as the block lasts; closes the listener.

    Args:
        app: what answers, behind a `Guard`.
        listener: bound already.
        limits: what clients may take.
        name: of the thread.
        farewell: seconds that requests under way have at the end.
        beside: what else the thread does.
    """
    server = uvicorn.Server(ServerSettings(app, limits, farewell=farewell))
    running = threading.Thread(target=lambda: asyncio.run(_serve(server, listener, beside)), name=name, daemon=True)
    running.start()
    try:
        yield
    finally:
        server.should_exit = True
        running.join(farewell + ENDING)
        listener.close()


async def _serve(server: uvicorn.Server, listener: socket.socket, beside: Beside | None) -> None:
    other = asyncio.create_task(beside()) if beside else None
    try:
        await server.serve(sockets=[listener])
    finally:
        if other is not None:
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)
