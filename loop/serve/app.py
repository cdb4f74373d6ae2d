"""The application behind the public address: groups of routes, one guard before all of them.

A group is a function from the context to its routes, in a file of its own; to add one, name it in `GROUPS`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from loop.control.commands import carry_out
from loop.errors import LoopdError
from loop.runtime.loopback import ClientLimits, Guard
from loop.serve import chat, feedback, models, stats
from loop.serve.context import Context
from loop.serve.errors import Refusal, refusal
from loop.serve.responses import routes as responses
from loop.ui import app as seen
from loop.ui.door import Door
from loop.ui.pages import Pages
from loop.ui.site import Site

log = structlog.get_logger()
LIMITS: Final = ClientLimits(connections=512, bytes=16 * 2**20, idle=75)
GROUPS: Final[tuple[Callable[[Context], Sequence[BaseRoute]], ...]] = (
    chat.routes,
    feedback.routes,
    models.routes,
    responses.routes,
    stats.routes,
)
"""All that is offered there."""


def composed(context: Context, key: str) -> ASGIApp:
    """Build the application; no route answers without the key or, for pages, a browser's session."""
    offered = [route for group in GROUPS for route in group(context)]
    site = _site(context)
    pages = Pages(site, key).routes()
    inside = Starlette(routes=[*offered, *seen.programs(site), *pages], exception_handlers=HANDLERS)
    return Door(Guard(inside, key, LIMITS, refusal), key, pages)


def _site(context: Context) -> Site:
    """Let pages and API look at this home; their buttons do what the control channel does."""
    url = context.config.database or context.paths.database
    return Site(context.paths, url, partial(carry_out, context.store), lambda: context.store)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, LoopdError)
    return Refusal(409, str(error), code=type(error).__name__).response


async def _strange(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Refusal(error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}").response


async def _bug(_: Request, error: Exception) -> Response:
    log.error("request_failed", exc_info=error)
    return Refusal(500, f"This is a bug: {type(error).__name__}. The log has the whole story.").response


HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Any]]] = {
    Refusal: _refused,
    LoopdError: _failed,
    HTTPException: _strange,
    Exception: _bug,
}
