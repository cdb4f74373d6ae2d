"""What went wrong, as `application/problem+json` (RFC 9457) for programs and as a page for people."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loop.errors import CheckNegative, ConfigError, LoopdError, NotFound, UsageError
from loop.types.record import first_fault
from loop.ui.rendering import page

log = structlog.get_logger()
STATUSES: Final[Mapping[type[LoopdError], HTTPStatus]] = {
    NotFound: HTTPStatus.NOT_FOUND,
    UsageError: HTTPStatus.BAD_REQUEST,
    ConfigError: HTTPStatus.BAD_REQUEST,
    CheckNegative: HTTPStatus.SERVICE_UNAVAILABLE,
}
PROGRAMS: Final = ("/v1/", "/openapi.json", "/metrics", "/healthz", "/readyz")


def problem(request: Request, status: HTTPStatus, detail: str) -> Response:
    """Say what went wrong, in the form that the asker reads."""
    if request.url.path.startswith(PROGRAMS):
        body: dict[str, str | int] = {
            "type": "about:blank",
            "title": status.phrase,
            "status": int(status),
            "detail": detail,
        }
        return JSONResponse(body, status_code=status, media_type="application/problem+json")
    return page("problem.html", {"title": status.phrase, "detail": detail, "active": ""}, status=status)


Endpoint = Callable[[Request], Response]


def answered(endpoint: Endpoint) -> Endpoint:
    """Answer whatever an endpoint raises, in whichever application it stands."""

    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except Exception as error:  # noqa: BLE001 - the last resort: whoever asks is told, and the log knows more
            return of(request, error)

    return answer


def of(request: Request, error: Exception) -> Response:
    """Say what was raised."""
    if isinstance(error, LoopdError):
        status = next((known for kind, known in STATUSES.items() if isinstance(error, kind)), HTTPStatus.CONFLICT)
        return problem(request, status, str(error))
    if isinstance(error, ValidationError):
        fault = first_fault(error)
        return problem(request, HTTPStatus.BAD_REQUEST, f"{fault.place or 'request'}: {fault.says}, not {fault.given}.")
    if isinstance(error, HTTPException):
        where = f"{request.method} {request.url.path[:200]}"
        return problem(request, HTTPStatus(error.status_code), f"{where}: {error.detail}.")
    log.error("request_failed", path=request.url.path[:200], exc_info=error)
    detail = f"This is a bug: {type(error).__name__}. The log has the whole story."
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)
