"""An HTTP client for a server that is not trusted: bounded answers, no compression, no header that nobody asked for."""

import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from loop.errors import FailureKind
from teachers.provider.retry import AttemptFailed

MOST_BYTES: Final = 4_000_000
SENT: Final = frozenset(
    {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length", "authorization",
        "user-agent",
        "x-stainless-raw-response",  # the client library reads it back to know what to return
    }
)  # fmt: skip
"""Headers that leave the machine. The client library would add what it finds in the environment."""
CONNECT_S: Final = 10.0


class Bounded(httpx2.AsyncByteStream):
    """A body that may not grow without end."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        """Wrap it."""
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pass the parts on.

        Raises:
            AttemptFailed: BAD_OUTPUT, there are too many.
        """
        left = MOST_BYTES
        async for part in self._body:
            left -= len(part)
            if left < 0:
                raise AttemptFailed(FailureKind.BAD_OUTPUT, f"the answer is longer than {MOST_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        """Close it."""
        await self._body.aclose()


async def _strip(request: httpx2.Request) -> None:
    for name in [name for name in request.headers if name.lower() not in SENT]:
        del request.headers[name]


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AttemptFailed(FailureKind.BAD_OUTPUT, "the answer is compressed, which was not asked for")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = Bounded(response.stream)


def bounded_client(read_s: float, trust: ssl.SSLContext | None) -> httpx2.AsyncClient:
    """Make a client.

    Args:
        read_s: longest silence in seconds; a deadline for the whole answer is the caller's.
        trust: certificates; None where there is no TLS.
    """
    return httpx2.AsyncClient(
        verify=trust if trust is not None else False,
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(read_s, connect=CONNECT_S),
        follow_redirects=False,  # a redirect would carry the key elsewhere
        event_hooks={"request": [_strip], "response": [_bound]},
    )
