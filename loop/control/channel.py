"""The daemon's control channel: loopback only, a token on every route, JSON in and out.

`serving` runs in the daemon, beside its main thread; `call` is the command line's side. Where the port and the token
are stands in `run/control.json`, which only this user can read.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import uvicorn
from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loop.canonical import NotJson, parse
from loop.control import commands
from loop.control.progress import Board
from loop.errors import LoopdError, NotRunning
from loop.store import Store

FILE: Final = "control.json"
LOCAL: Final = "127.0.0.1"
LONGEST: Final = 64 * 1024
"""Bytes of a request's body."""


@contextmanager
def serving(run: Path, board: Board, store: Store) -> Iterator[None]:
    """Answer on loopback while the block runs."""
    token = secrets.token_urlsafe(32)
    listener = socket.create_server((LOCAL, 0))
    settings = uvicorn.Config(_application(token, board, store), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, args=([listener],), name="control", daemon=True)
    thread.start()
    path = run / FILE
    _write(path, {"port": listener.getsockname()[1], "token": token, "pid": os.getpid()})
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        server.should_exit = True
        thread.join(5)
        listener.close()


def call(run: Path, verb: str, arguments: commands.Arguments) -> commands.Answer:
    """Have the running daemon carry a command out.

    Raises:
        NotRunning: no daemon answers.
        LoopdError: it refused; the message is the daemon's own.
    """
    try:
        where = json.loads((run / FILE).read_text(encoding="utf-8"))
        answer = httpx2.post(
            f"http://{LOCAL}:{where['port']}/v1/commands",
            json={"verb": verb, "arguments": dict(arguments)},
            headers={"Authorization": f"Bearer {where['token']}"},
            timeout=35,
            trust_env=False,
        )
        body: dict[str, JsonValue] = answer.json()
    except (OSError, ValueError, KeyError, httpx2.HTTPError) as error:
        raise NotRunning from error
    if answer.status_code != httpx2.codes.OK:
        refused = LoopdError(str(body.get("detail")))
        refused.exit_code = int(str(body.get("exit_code", 1)))
        raise refused
    return body


def _write(path: Path, where: dict[str, JsonValue]) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(where, file)


def _application(token: str, board: Board, store: Store) -> Starlette:
    expected = f"Bearer {token}"

    def allowed(request: Request) -> Response | None:
        if not secrets.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
            return _problem(401, "The token is missing or wrong; it stands in run/control.json.")
        if "origin" in request.headers:
            return _problem(403, "Web pages have no business here.")
        return None

    async def status(request: Request) -> Response:
        return allowed(request) or JSONResponse(board.now.model_dump(mode="json"))

    async def command(request: Request) -> Response:
        return allowed(request) or _carry_out(store, await _body(request))

    routes = [Route("/v1/status", status), Route("/v1/commands", command, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOCAL, "localhost"])])


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            return b""
    return body


def _carry_out(store: Store, body: bytes) -> Response:
    try:
        said = parse(body)
        assert isinstance(said, dict)
        verb, arguments = said["verb"], said["arguments"]
        assert isinstance(verb, str)
        assert isinstance(arguments, dict)
    except (NotJson, AssertionError, KeyError):
        return _problem(400, 'A command is {"verb": "…", "arguments": {…}}.')
    try:
        return JSONResponse(commands.carry_out(store, verb, arguments))
    except LoopdError as error:
        return _problem(409, str(error), error.exit_code)


def _problem(status: int, detail: str, exit_code: int = 1) -> Response:
    body = {"status": status, "detail": detail, "exit_code": exit_code}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
