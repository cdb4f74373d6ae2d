"""`POST /v1/responses`: the same policies and limits as chat completions, in the shape of OpenAI's newer interface."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from loop.serve.chat import StudentGateway
from loop.serve.context import Context
from loop.serve.errors import Refusal
from loop.serve.responses.answer import ResponseEvents, Whole
from loop.serve.responses.request import parse_request


def routes(context: Context) -> Sequence[BaseRoute]:
    """Give the routes."""
    chat = StudentGateway(context)

    async def respond(request: Request) -> Response:
        asked = parse_request(await request.body())
        rewriting = (ResponseEvents if asked.stream else Whole)(asked)
        try:
            return await chat.answer(request, asked.chat, rewriting)
        except Refusal as error:
            raise _placed(error) from error

    return [Route("/v1/responses", respond, methods=["POST"])]


def _placed(error: Refusal) -> Refusal:
    """Name the part of the request, where the refusal names that of the chat completion."""
    if not error.param.startswith("messages"):
        return error
    said = str(error).replace(error.param, "input", 1)
    return Refusal(error.status, said, code=error.code, param="input", retry_after=error.retry_after)
