"""The daemon's control channel: a Unix socket of this user's, a token on every route, JSON in and out.

`serving` runs in the daemon, beside its main thread; `call` is the command line's side. Where the socket and the token
are stands in `run/control.json`, which only this user can read.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loop.canonical import NotJson, parse
from loop.control import commands
from loop.control.progress import Board
from loop.errors import LoopdError, NoAnswer, NotRunning
from loop.runtime import lock, loopback
from loop.runtime.loopback import ClientLimits, Guard
from loop.store import Store

FILE: Final = "control.json"
SOCKET: Final = "control.sock"
LIMITS: Final = ClientLimits(connections=32)
LONGEST: Final = 100
"""Bytes of a socket's path: 104 fit on a Mac, 108 on Linux."""
PATIENCE: Final = 35.0
"""Seconds to wait for an answer: the store may be busy for 30."""


@contextmanager
def serving(run: Path, board: Board, store: Store) -> Iterator[None]:
    """Answer on a socket while the block runs."""
    token = secrets.token_urlsafe(32)
    app = Guard(_application(board, store), token, LIMITS, _problem)
    with _bound(run) as (listener, socket_path), loopback.serving(app, listener, LIMITS, name="control"):
        where = run / FILE
        _write(where, {"socket": str(socket_path), "token": token, "pid": os.getpid()})
        try:
            yield
        finally:
            where.unlink(missing_ok=True)


def call(run: Path, verb: str, arguments: commands.Arguments) -> commands.Answer:
    """Have the running daemon carry a command out.

    Raises:
        NotRunning: there is no daemon.
        NoAnswer: there is one, and it does not answer.
        LoopdError: it refused; the message is the daemon's own.
    """
    try:
        where = json.loads((run / FILE).read_text(encoding="utf-8"))
        answer = _asked(str(where["socket"]), str(where["token"]), {"verb": verb, "arguments": dict(arguments)})
        body: dict[str, JsonValue] = answer.json()
    except (OSError, ValueError, KeyError, TypeError, httpx2.HTTPError) as error:
        raise _silent(run, error) from error
    if answer.status_code != httpx2.codes.OK:
        refused = LoopdError(str(body.get("detail")))
        refused.exit_code = int(str(body.get("exit_code", 1)))
        raise refused
    return body


def _asked(path: str, token: str, command: dict[str, JsonValue]) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=path), headers=headers, timeout=PATIENCE) as http:
        return http.post("http://localhost/v1/commands", json=command)


def _silent(run: Path, error: Exception) -> LoopdError:
    """Tell a daemon that does not answer from none."""
    pid = lock.holder(run.parent)
    if pid is None:
        return NotRunning()
    return NoAnswer(f"loopd (pid {pid}) is running and does not answer ({type(error).__name__}). Type it again.")


@contextmanager
def _bound(run: Path) -> Iterator[tuple[socket.socket, Path]]:
    """Bind the socket in the run directory, or in a private one where that one's path is too long for a socket's."""
    elsewhere = len(os.fsencode(run / SOCKET)) > LONGEST
    directory = Path(tempfile.mkdtemp(prefix="loopd-")) if elsewhere else run
    path = directory / SOCKET
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        yield listener, path
    finally:
        listener.close()
        path.unlink(missing_ok=True)
        if elsewhere:
            shutil.rmtree(directory, ignore_errors=True)


def _write(path: Path, where: dict[str, JsonValue]) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(where, file)


def _application(board: Board, store: Store) -> Starlette:
    async def status(_: Request) -> Response:
        return JSONResponse(board.now.model_dump(mode="json"))

    async def command(request: Request) -> Response:
        return _carry_out(store, await request.body())

    return Starlette(routes=[Route("/v1/status", status), Route("/v1/commands", command, methods=["POST"])])


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
