"""Serve one policy of the student as a chat endpoint on loopback.

    python -m loop.student.server --base DIR [--adapter DIR] --template NAME --token-file FILE

It prints one JSON line when it is ready, and ends when its stdin does (its parent is gone) or on SIGTERM. On Linux
OpenBLAS has to be in LD_PRELOAD before it starts.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import structlog
import uvicorn
from pydantic import JsonValue, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from loop.compute import memory
from loop.compute.cpu.denormals import flush_denormals
from loop.compute.cpu.glibc import keep_freed, one_arena
from loop.errors import LoopdError
from loop.runtime.child import exit_with_parent
from loop.runtime.loopback import ADDRESS, Guard, Limits, Settings
from loop.student.engine import attention
from loop.student.engine.batching import GIB, Answer, Batching, Engine, Refused
from loop.student.engine.conversations import Request
from loop.student.engine.plain import PlainEngine
from loop.student.engine.stored import Place
from loop.student.grammar.answer import Held
from loop.student.grammar.constraint import Constraint
from loop.student.sampling import Sampling
from loop.student.service import Queued, Service
from loop.student.wire import Ask, wire_answer
from loop.templates.parse import Parsed
from loop.templates.render import Renderer
from loop.types import Precision
from loop.weights import loading

log = structlog.get_logger()
LIMITS: Final = Limits(connections=512, bytes=16 * 2**20, idle=3600)
"""An idle connection stays: closing it races with the play that is about to use it."""
BUFFERS: Final = 2**29
"""Bytes of freed memory that MLX may keep for reuse."""
LEAST_ROOM: Final = 4 * GIB
"""Bytes for keys and values at least; on Linux, where only small models are served, no more."""
GONE: Final = 499
"""Nobody reads this status: the client went away."""


class Endpoint:
    """The routes: `POST /v1/chat/completions` and `GET /v1/stats`."""

    def __init__(self, service: Service, renderer: Renderer) -> None:
        self.service, self.renderer = service, renderer

    def app(self, token: str) -> ASGIApp:
        """Build the application; every route wants the bearer token."""
        completions = Route("/v1/chat/completions", self.complete, methods=["POST"])
        return Guard(Starlette(routes=[completions, Route("/v1/stats", self.stats)]), token, LIMITS, _refusal)

    async def complete(self, http: HttpRequest) -> Response:
        """Answer one conversation."""
        try:
            ask = Ask.model_validate_json(await http.body())
            request = self._request(ask)
        except (ValidationError, ValueError, LoopdError) as error:
            return _refusal(400, str(error))
        queued: asyncio.Future[Queued] = asyncio.get_running_loop().create_future()
        answering = asyncio.create_task(self._answered(ask, request, queued))
        leaving = asyncio.create_task(_left(http))
        news: set[asyncio.Future[Any]] = {answering, leaving, queued}
        await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
        answer = _unless_left(answering, leaving)
        return Later(queued.result(), answer) if queued.done() and not answering.done() else await answer

    async def _answered(self, ask: Ask, request: Request, queued: "asyncio.Future[Queued]") -> Response:
        def tell(place: Queued) -> None:
            queued.get_loop().call_soon_threadsafe(queued.set_result, place)

        try:
            return JSONResponse(self._completion(ask, request, await self.service.ask(request, tell)))
        except Refused as error:
            return _refusal(400, str(error))

    async def stats(self, _: HttpRequest) -> Response:
        """Tell the engine's counters."""
        return JSONResponse((await self.service.stats()).model_dump())

    def _request(self, ask: Ask) -> Request:
        messages = [message.message() for message in ask.messages]
        prompt = self.renderer.prompt(messages, ask.catalogue)
        sampling = Sampling(temperature=ask.temperature, top_p=ask.top_p, seed=ask.seed, logprobs=ask.logprobs)
        return Request(
            tokens=prompt,
            prefix=self.renderer.prefix(messages, ask.catalogue),
            max_tokens=ask.max_tokens,
            sampling=sampling,
            ends=(self.renderer.end,),
            held=self._held(ask),
        )

    def _held(self, ask: Ask) -> Held | None:
        held = ask.held
        return held and held.model_copy(update={"offered": self.renderer.template.held(held.offered)})

    def _completion(self, ask: Ask, request: Request, answer: Answer) -> dict[str, JsonValue]:
        parsed = self.renderer.read(answer.tokens, ask.catalogue)
        if request.held and request.held.text_alone and not parsed.fault:
            parsed = Parsed(content=self.renderer.text(answer.tokens))
        finish = "tool_calls" if parsed.calls else answer.finish
        scores: JsonValue = {"token_logprobs": list(answer.logprobs)} if answer.logprobs else None
        message = wire_answer(parsed, answer.tokens)
        usage: dict[str, JsonValue] = {
            "prompt_tokens": len(request.tokens),
            "cached_tokens": answer.cached,
            "completion_tokens": len(answer.tokens),
            "total_tokens": len(request.tokens) + len(answer.tokens),
        }
        choice: JsonValue = {"index": 0, "message": message, "finish_reason": finish, "logprobs": scores}
        named: dict[str, JsonValue] = {"id": f"chatcmpl-{answer.id}", "created": int(time.time()), "model": ask.model}
        return {"object": "chat.completion", **named, "choices": [choice], "usage": usage}


class Later(Response):
    """Says at once that a request waits, what for and behind how many, and its answer when it is there."""

    def __init__(self, queued: Queued, answer: Awaitable[Response]) -> None:
        words = f"{queued.reason}; ahead={queued.ahead}"
        super().__init__(headers={"loopd-queued": words}, media_type="application/json")
        del self.headers["content-length"]
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the head, wait, and send the body."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": (await self.answer).body})


async def _unless_left(answering: "asyncio.Task[Response]", leaving: "asyncio.Task[None]") -> Response:
    """Give the answer. Where the client goes away before, its row is freed, and nobody reads what is given."""
    await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if answering.done():
        return answering.result()
    answering.cancel()
    return Response(status_code=GONE)


async def _left(http: HttpRequest) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message[:2000], "type": "invalid_request_error"}}, status_code=status)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loop.student.server", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="directory of the base model")
    parser.add_argument("--adapter", type=Path, help="directory of the adapter; none for the stock model")
    parser.add_argument("--precision", choices=list(Precision), default=Precision.BASE, help="of the served weights")
    parser.add_argument("--template", required=True, help="name of the template that renders messages to tokens")
    parser.add_argument("--token-file", type=Path, required=True, help="file that holds the bearer token")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--max-rows", type=int, default=16, help="conversations decoded at once")
    parser.add_argument("--prefixes", type=Path, help="directory that keeps prefixes for the next server")
    parser.add_argument("--prefix-mib", type=int, default=4096, help="MiB of prefixes there, at most")
    parser.add_argument("--policy", help="what names the weights: prefixes are kept under it")
    return parser.parse_args(argv)


def _engine(options: argparse.Namespace, renderer: Renderer) -> Batching:
    flush_denormals()
    keep_freed()
    one_arena()
    mx.set_cache_limit(BUFFERS)
    model = loading.load(options.base, options.adapter, Precision(options.precision))
    constraint = Constraint(renderer.tokenizer, renderer.end)
    if attention.known(model):
        kv_bytes = room(memory.available()) if mx.metal.is_available() else LEAST_ROOM
        return Engine(
            model, max_rows=options.max_rows, kv_bytes=kv_bytes, stored=_place(options), constraint=constraint
        )
    log.warning("family_unknown", family=model.model_type, engine=PlainEngine.kind)
    return PlainEngine(model, max_rows=options.max_rows, constraint=constraint)


def room(free: int) -> int:
    """Give the bytes for keys and values: half of what is free once the model is loaded.

    A token of Qwen3-4B takes 147 kB, so that sixteen plays behind nine whole catalogues want some ten GiB.
    """
    return max(LEAST_ROOM, free // 2)


def _place(options: argparse.Namespace) -> Place | None:
    if not (options.prefixes and options.policy and options.prefix_mib):
        return None
    budget = options.prefix_mib * 2**20
    return Place(directory=options.prefixes, budget=budget, policy=options.policy, template=options.template)


async def _serve(options: argparse.Namespace) -> int:
    renderer = Renderer.load(options.base, options.template)
    token = options.token_file.read_text(encoding="ascii").strip()
    broken = False

    def failed() -> None:
        nonlocal broken
        broken = server.should_exit = True

    service = Service(lambda: _engine(options, renderer), failed=failed)
    app = Endpoint(service, renderer).app(token)
    server = uvicorn.Server(Settings(app, LIMITS))
    service.start()
    engine = await asyncio.wrap_future(service.ready)
    with contextlib.closing(socket.create_server((ADDRESS, options.port))) as listener:
        _announce(listener.getsockname()[1], engine.kind, options.max_rows)
        await server.serve(sockets=[listener])
    service.stop()
    return int(broken)


def _announce(port: int, engine: str, rows: int) -> None:
    device = str(mx.default_device().type).rpartition(".")[2]
    dtype = str(loading.number_type()).rpartition(".")[2]
    ready = {"port": port, "device": device, "dtype": dtype, "engine": engine, "rows": rows}
    print(json.dumps(ready), flush=True)  # noqa: T201 - the parent reads it


def main(argv: list[str]) -> int:
    """Serve until the parent goes away; 0 unless something broke."""
    exit_with_parent()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is the parent's
    try:
        return asyncio.run(_serve(_arguments(argv)))
    except LoopdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent logs it
        return error.exit_code


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # MLX's threads and the one that holds stdin would stumble over a plain exit
