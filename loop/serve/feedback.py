"""`POST /v1/feedback`: what somebody says of an answer, to be learned from (docs/traces.md)."""

import time
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from loop.canonical import NotJson, parse
from loop.errors import LoopdError
from loop.serve.context import Context
from loop.serve.errors import Refusal
from loop.traces.corrections import accept_feedback


def routes(context: Context) -> Sequence[BaseRoute]:
    """Give the routes."""

    async def accept(request: Request) -> Response:
        try:
            feedback = parse(await request.body())
        except NotJson as error:
            raise Refusal(400, f"The body is not JSON: {error}") from error
        if not isinstance(feedback, dict):
            raise Refusal(400, "The body is not a JSON object.")
        try:
            taken = await run_in_threadpool(accept_feedback, context.store, feedback, time.time_ns() // 1000)
        except LoopdError as error:
            raise Refusal(400, str(error), code="invalid_feedback") from error
        return JSONResponse(taken.model_dump(mode="json"))

    return [Route("/v1/feedback", accept, methods=["POST"])]
