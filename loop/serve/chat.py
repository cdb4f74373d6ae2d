"""`POST /v1/chat/completions`: a request goes to the policy that it names, the answer comes back as it is said."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

import httpx2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from loop.errors import ProviderError
from loop.routing.router import Routed
from loop.runtime.gpu import Served
from loop.serve import model_names
from loop.serve.capture import LARGEST
from loop.serve.context import Context
from loop.serve.errors import Refusal
from loop.serve.placement import Placement, placed
from loop.serve.request import ChatRequest, parse_request, student_body
from loop.serve.routing import RequestRouting
from loop.types import Policy

PATIENCE: Final = 3600.0
"""Seconds from one piece of an answer to the next."""
SIGN: Final = 10.0
"""Seconds of silence after which a stream's client is told that it is not forgotten."""
AGAIN: Final = (0.1, 0.5, 0.0)
"""Seconds from a server that went away to the next try: what was killed is seen to be gone after a moment."""
PASSED: Final = ("content-type", "loopd-queued", "cache-control")
"""Headers of the student's server that its answer keeps."""
GONE: Final = 499
"""Nobody reads this status: the client went away."""
Keep = Callable[[bytes], None]
"""Takes an answer's body, when it is whole."""
EVENTS: Final = "text/event-stream"


class Rewriting(Protocol):
    """Turns a student's answer into another shape."""

    def more(self, piece: bytes) -> bytes:
        """Take what came; give what can be told."""
        ...

    def end(self) -> bytes:
        """Give what is told at the end."""
        ...


def routes(context: Context) -> Sequence[BaseRoute]:
    """Give the routes."""
    return [Route("/v1/chat/completions", StudentGateway(context).complete, methods=["POST"])]


class StudentGateway:
    """Puts requests to the students' servers."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.routing = RequestRouting(context.config, context.store, context.paths)

    async def complete(self, request: Request) -> Response:
        """Answer one request."""
        return await self.answer(request, parse_request(await request.body()))

    async def answer(self, request: Request, asked: ChatRequest, rewriting: Rewriting | None = None) -> Response:
        """Answer a request that was read.

        Args:
            request: from whom; who goes away is not answered.
            asked: what it asks for.
            rewriting: turns the student's answer into another shape.

        Raises:
            Refusal: it cannot be answered.
        """
        policy, route = await run_in_threadpool(self._chosen, asked)
        self.context.admit()
        body = student_body(
            asked,
            system=policy.system,
            fingerprint=model_names.fingerprint(policy),
            max_tokens=self.context.config.serve.max_tokens,
        )
        place = await run_in_threadpool(placed, self.context.config, self.context.store, policy)
        body["adapter"] = place.adapter
        keep = self._keeping(asked.model, policy, body)
        answer = await _unless_gone(request, self._answered(place, body, keep, rewriting))
        if route is not None:
            answer.headers["loopd-route"] = route.words
        return answer

    def _chosen(self, request: ChatRequest) -> tuple[Policy, Routed | None]:
        """Find the policy that answers, and, where a router chose it, why it is that one."""
        asked = model_names.named(self.context, request.model)
        trial = request.model == model_names.ROUTED
        policy, route = self.routing.speaker(asked, request.example, trial=trial)
        return model_names.usable(self.context, policy, request.model), route

    def _keeping(self, model: str, policy: Policy, body: dict[str, Any]) -> Keep | None:
        """Draw whether this answer is kept as a trace."""
        capture = self.context.capture
        return (lambda answer: capture.add(body, answer, policy.id)) if capture.wants(model) else None

    async def _answered(
        self, placement: Placement, body: dict[str, Any], keep: Keep | None, rewriting: Rewriting | None
    ) -> Response:
        """Ask the policy's server; again where that one has just gone away."""
        for pause in AGAIN:
            stack = AsyncExitStack()
            try:
                served = await stack.enter_async_context(self.context.models.use(placement))
                return await _passed(stack, served, (placement.policy, body), keep, rewriting)
            except (httpx2.TransportError, ProviderError) as error:  # its address or its token is gone
                await stack.aclose()
                lost = error
                await asyncio.sleep(pause)
            except BaseException:
                await stack.aclose()
                raise
        raise Refusal(503, "The model's server has stopped. Ask again.", retry_after=1) from lost


async def _unless_gone(request: Request, answered: Coroutine[Any, Any, Response]) -> Response:
    """Wait for an answer's beginning; where the client goes away meanwhile, so does its request."""
    answering = asyncio.ensure_future(answered)
    leaving = asyncio.ensure_future(_left(request.receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return await answering
        return Response(status_code=GONE)
    finally:
        leaving.cancel()
        if not answering.done():
            answering.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def _passed(
    stack: AsyncExitStack,
    served: Served,
    asked: tuple[Policy, dict[str, Any]],
    keep: Keep | None,
    rewriting: Rewriting | None,
) -> Response:
    """Put a request to a server, and give its answer as it comes; the stack is closed with it."""
    policy, body = asked
    headers = {"Authorization": f"Bearer {served.token}"}
    plain = httpx2.AsyncHTTPTransport(verify=False)  # no certificates to load: it is this machine
    http = await stack.enter_async_context(httpx2.AsyncClient(transport=plain, headers=headers, timeout=PATIENCE))
    asking = http.stream("POST", f"{served.url}/v1/chat/completions", json=body)
    answer = await stack.enter_async_context(asking)
    kept = {name: answer.headers[name] for name in PASSED if name in answer.headers}
    return Relayed(answer, stack, {**kept, "loopd-policy": policy.id}, keep, rewriting)


class Relayed(Response):
    """An answer of the student's server, piece by piece, until it is whole or nobody listens."""

    def __init__(
        self,
        answer: httpx2.Response,
        stack: AsyncExitStack,
        headers: dict[str, str],
        keep: Keep | None,
        rewriting: Rewriting | None,
    ) -> None:
        super().__init__(status_code=answer.status_code, headers=headers)
        del self.headers["content-length"]
        self.answer, self.stack, self.keep = answer, stack, keep
        self.rewriting = rewriting if answer.status_code == httpx2.codes.OK else None
        self.events = headers.get("content-type", "").startswith(EVENTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send it."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self.stack.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        whole = bytearray()
        async for piece in self._pieces():
            rewritten = self.rewriting.more(piece) if self.rewriting else piece
            await send({"type": "http.response.body", "body": rewritten, "more_body": True})
            if self.keep and len(whole) <= LARGEST:
                whole += piece
        await send({"type": "http.response.body", "body": self.rewriting.end() if self.rewriting else b""})
        if self.keep and self.status_code == httpx2.codes.OK and len(whole) <= LARGEST:
            self.keep(bytes(whole))

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Give what comes; in a stream a comment where nothing does, and an error where it breaks off."""
        pieces = self.answer.aiter_raw()
        coming = asyncio.ensure_future(anext(pieces, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=SIGN if self.events else None)
                if not done:
                    yield b": waiting\n\n"
                    continue
                piece = await coming
                if piece is None:
                    return
                yield piece
                coming = asyncio.ensure_future(anext(pieces, None))
        except httpx2.HTTPError:
            if not self.events:
                raise
            yield _broken()
        finally:
            coming.cancel()
            with contextlib.suppress(BaseException):
                await coming


def _broken() -> bytes:
    body = Refusal(503, "The model's server went away in the middle of the answer. Ask again.").body
    return f"data: {json.dumps({'error': body})}\n\n".encode()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
