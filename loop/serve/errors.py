"""What the public endpoint refuses, in the shape that clients of OpenAI's API read."""

from typing import Final

from starlette.responses import JSONResponse, Response

from loop.errors import LoopdError

KINDS: Final = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 503: "overloaded_error"}
CODES: Final = {401: "invalid_api_key", 408: "timeout", 413: "request_too_large"}
LONGEST: Final = 2000
"""Characters of a message."""


class Refusal(LoopdError):
    """A request that is not answered, and why."""

    def __init__(self, status: int, message: str, *, code: str = "", param: str = "", retry_after: int = 0) -> None:
        """Say it.

        Args:
            status: HTTP's.
            message: what is wrong, and what to do.
            code: what a program can tell it by.
            param: the part of the request that is at fault.
            retry_after: seconds after which it may go better; 0 where waiting does not help.
        """
        super().__init__(message)
        self.status, self.code, self.param, self.retry_after = status, code, param, retry_after

    @property
    def response(self) -> Response:
        """Spell it."""
        headers = {"retry-after": str(self.retry_after)} if self.retry_after else None
        return JSONResponse({"error": self.body}, status_code=self.status, headers=headers)

    @property
    def body(self) -> dict[str, str | None]:
        """The error object."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")  # noqa: PLR2004 - HTTP's classes
        code = self.code or CODES.get(self.status)
        return {"message": str(self)[:LONGEST], "type": kind, "param": self.param or None, "code": code}


def unsupported(param: str, why: str) -> Refusal:
    """Refuse a parameter by name."""
    return Refusal(400, f"{param}: {why}", code="unsupported_parameter", param=param)


def refusal(status: int, message: str) -> Response:
    """Spell a refusal of the guard's."""
    return Refusal(status, message).response
