"""The student server's routes: `POST /v1/chat/completions` and `GET /v1/stats`, behind a token."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

import mlx.core as mx
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from loop.errors import LoopdError
from loop.runtime.loopback import ClientLimits, Guard
from loop.student.chat_completion import ChatCompletion
from loop.student.engine.interface import Unservable
from loop.student.service import Queued, Service
from loop.student.wire import ChatBody
from loop.templates.render import Renderer

LIMITS: Final = ClientLimits(connections=512, bytes=16 * 2**20, idle=3600)
"""An idle connection stays: closing it races with the play that is about to use it."""
GONE: Final = 499
"""Nobody reads this status: the client went away."""


class Endpoint:
    """Answers conversations with one engine."""

    def __init__(self, service: Service, renderer: Renderer) -> None:
        self.service, self.renderer = service, renderer

    def app(self, token: str) -> ASGIApp:
        """Build the application; every route wants the bearer token."""
        completions = Route("/v1/chat/completions", self.complete, methods=["POST"])
        return Guard(Starlette(routes=[completions, Route("/v1/stats", self.stats)]), token, LIMITS, refusal)

    async def complete(self, http: HttpRequest) -> Response:
        """Answer one conversation, whole or as a stream."""
        try:
            ask = ChatBody.model_validate_json(await http.body())
            answering = ChatCompletion(ask, self.renderer, self.service)
        except (ValidationError, ValueError, LoopdError) as error:
            return refusal(400, str(error))
        return await (_streamed if ask.stream else _whole)(http, answering)

    async def stats(self, _: HttpRequest) -> Response:
        """Tell the engine's counters, and the most memory that MLX held since the start, in bytes."""
        counters = (await self.service.stats()).model_dump()
        return JSONResponse({**counters, "peak_bytes": mx.get_peak_memory()})


class Later(Response):
    """Says at once that a request waits, what for and behind how many, and its answer when it is there."""

    def __init__(self, queued: Queued, answer: Awaitable[Response]) -> None:
        super().__init__(headers=_words(queued), media_type="application/json")
        del self.headers["content-length"]
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the head, wait, and send the body."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": (await self.answer).body})


class Streamed(Response):
    """An answer's events as they come. Where the client goes away, its row is freed."""

    def __init__(self, first: "asyncio.Future[str]", pieces: AsyncGenerator[str], queued: Queued | None) -> None:
        super().__init__(headers=_words(queued) if queued else {}, media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.first, self.pieces = first, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send until the answer is done or nobody listens."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self.first.cancel()
            await self.pieces.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._write(send, await self.first)
        async for piece in self.pieces:
            await self._write(send, piece)
        await send({"type": "http.response.body", "body": b""})

    async def _write(self, send: Send, piece: str) -> None:
        await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})


async def _streamed(http: HttpRequest, answering: ChatCompletion) -> Response:
    """Begin a stream as soon as it is known that there will be one, and whether it has to wait."""
    queued: asyncio.Future[Queued] = asyncio.get_running_loop().create_future()
    pieces = answering.pieces(_tell(queued))
    first = asyncio.ensure_future(anext(pieces))
    leaving = asyncio.create_task(left(http.receive))
    news: set[asyncio.Future[Any]] = {first, queued, leaving}
    await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if leaving.done() and not leaving.cancelled():
        first.cancel()
        return Response(status_code=GONE)
    if first.done() and isinstance(error := first.exception(), Unservable):
        return refusal(400, str(error))
    return Streamed(first, pieces, queued.result() if queued.done() else None)


async def _whole(http: HttpRequest, answering: ChatCompletion) -> Response:
    queued: asyncio.Future[Queued] = asyncio.get_running_loop().create_future()
    answered = asyncio.create_task(_answered(answering, queued))
    leaving = asyncio.create_task(left(http.receive))
    news: set[asyncio.Future[Any]] = {answered, leaving, queued}
    await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
    answer = _unless_left(answered, leaving)
    return Later(queued.result(), answer) if queued.done() and not answered.done() else await answer


async def _answered(answering: ChatCompletion, queued: "asyncio.Future[Queued]") -> Response:
    try:
        return JSONResponse(await answering.whole(_tell(queued)))
    except Unservable as error:
        return refusal(400, str(error))


def _tell(queued: "asyncio.Future[Queued]") -> Callable[[Queued], None]:
    """Give what the engine's thread calls where a request has to wait."""

    def tell(queue: Queued) -> None:
        queued.get_loop().call_soon_threadsafe(_settle, queued, queue)

    return tell


def _settle(queued: "asyncio.Future[Queued]", queue: Queued) -> None:
    if not queued.done():
        queued.set_result(queue)


def _words(queued: Queued) -> dict[str, str]:
    return {"loopd-queued": f"{queued.reason}; ahead={queued.ahead}"}


async def _unless_left(answering: "asyncio.Task[Response]", leaving: "asyncio.Task[None]") -> Response:
    """Give the answer. Where the client goes away before, its row is freed, and nobody reads what is given."""
    await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if answering.done():
        return answering.result()
    answering.cancel()
    return Response(status_code=GONE)


async def left(receive: Receive) -> None:
    """Wait until the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def refusal(status: int, message: str) -> JSONResponse:
    """Spell a refusal as OpenAI's API does."""
    return JSONResponse({"error": {"message": message[:2000], "type": "invalid_request_error"}}, status_code=status)
