"""`GET /v1/models`: which names can be asked for, and which policy each means at this moment."""

from collections.abc import Sequence

from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from loop.serve import model_names
from loop.serve.context import Context
from loop.types import Policy


def routes(context: Context) -> Sequence[BaseRoute]:
    """Give the routes."""

    async def every(_: Request) -> Response:
        names = await run_in_threadpool(lambda: [*model_names.listed(context)])
        return JSONResponse({"object": "list", "data": [_model(*name) for name in names]})

    async def one(request: Request) -> Response:
        name = str(request.path_params["name"])
        return JSONResponse(_model(name, await run_in_threadpool(model_names.named, context, name)))

    return [Route("/v1/models", every), Route("/v1/models/{name:path}", one)]


def _model(name: str, policy: Policy) -> dict[str, JsonValue]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "loopd", "policy": policy.id}
