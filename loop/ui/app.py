"""The application: pages for people and an API for programs, behind one guard."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socket import socket
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from loop.runtime.loopback import ClientLimits, Guard, serving
from loop.ui import api, health, problems
from loop.ui.door import Door
from loop.ui.pages import Pages
from loop.ui.site import Site

LIMITS: Final = ClientLimits(connections=64, idle=75)


def programs(site: Site) -> list[Route]:
    """Give the routes of API and probes, for an application of one's own."""
    return [*api.routes(site), *health.routes(site)]


def application(site: Site, key: str) -> ASGIApp:
    """Build the application; no route answers without the key or, for pages, a session."""
    pages = Pages(site, key).routes()
    inside = Starlette(routes=[*programs(site), *pages], exception_handlers={HTTPException: problems.of})
    return Door(Guard(inside, key, LIMITS, _refusal), key, pages)


@contextmanager
def opened(site: Site, key: str, listener: socket) -> Iterator[None]:
    """Answer for as long as the block lasts.

    Args:
        site: what is shown.
        key: the bearer token.
        listener: a socket of this machine's own, bound already.
    """
    with serving(application(site, key), listener, LIMITS, name="ui"):
        yield


def _refusal(status: int, why: str) -> Response:
    title, detail = HTTPStatus(status).phrase, f"{why} Type: loopd ui"
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
