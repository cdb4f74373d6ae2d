"""`GET /v1/stats`: which models are in memory to answer people, how busy each is, and what it takes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx2
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from loop.serve.context import Context
from loop.serve.loaded_models import LoadedModel
from loop.serve.model_names import SHOWN

PATIENCE: Final = 5.0
"""Seconds to wait for a server's counters; one that computes a long step says nothing meanwhile."""


def routes(context: Context) -> Sequence[BaseRoute]:
    """Give the routes."""

    async def stats(_: Request) -> Response:
        models = await asyncio.gather(*(_loaded_model(model) for model in context.models.loaded))
        return JSONResponse({"models": models, "captured": context.capture.counts.model_dump()})

    return [Route("/v1/stats", stats)]


async def _loaded_model(model: LoadedModel) -> Mapping[str, JsonValue]:
    """Say what a model's server says of itself, as far as it does."""
    counters: dict[str, Any] = {}
    if (served := model.served) is not None and served.alive:
        try:
            plain = httpx2.AsyncHTTPTransport(verify=False)  # no certificates to load: it is this machine
            async with httpx2.AsyncClient(transport=plain, timeout=PATIENCE) as http:
                headers = {"Authorization": f"Bearer {served.token}"}
                counters = (await http.get(f"{served.url}/v1/stats", headers=headers)).json()
        except (httpx2.HTTPError, ValueError):
            counters = {}
    state = "loading" if not model.started.done() else "ready" if counters else "silent"
    return {"policy": model.place.policy.id[:SHOWN], "state": state, "requests": model.asked, **counters}
