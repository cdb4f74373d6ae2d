"""How a browser gets in: a link that works once and for five minutes begins a session.

The link is made from the key and the time, so whoever can read the key can make one, and nobody else. The session opens
the pages; every other route wants the key itself.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from loop.runtime.loopback import NAMES
from loop.ui.sessions import COOKIE, LASTS, Sessions

PATH: Final = "/open"
SECONDS: Final = 300
"""How long a link works."""
REMEMBERED: Final = 1000
"""Links that were used, of which none works again."""


def code(key: str, moment: int | None = None) -> str:
    """Make the code of a link. A nonce is not needed: two links of one microsecond are the same link."""
    moment_text = str(time.time_ns() // 1000 if moment is None else moment)
    return f"{moment_text}-{_signed(key, moment_text)}"


class Door:
    """Lets a browser in: one with a fresh link, and one with a session to the pages. The rest is for the guard."""

    def __init__(self, app: ASGIApp, key: str, pages: Sequence[Route]) -> None:
        """Stand before a guard.

        Args:
            app: the guard, and what is behind it.
            key: what the guard wants.
            pages: the routes that a session opens.
        """
        self.app, self.key, self._pages = app, key, pages
        self._used: OrderedDict[str, None] = OrderedDict()
        self._sessions = Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a link; pass on what is none, with the key where a session vouches for it."""
        if scope["type"] == "http" and scope["path"] == PATH:
            await self._answer(scope)(scope, receive, send)
            return
        if scope["type"] == "http" and self._vouched(scope):
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {self.key}".encode())]}
        await self.app(scope, receive, send)

    def _vouched(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get("authorization") or not self._sessions.know(headers.get("cookie", "")):
            return False
        return any(page.matches(scope)[0] is not Match.NONE for page in self._pages)

    def _answer(self, scope: Scope) -> Response:
        host = Headers(scope=scope).get("host", "")
        if host.rpartition(":")[0].strip("[]") not in NAMES:
            return PlainTextResponse("This is loopd on loopback; ask for it by that name.", 400)
        asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=4).get("code", [""])[-1]
        if not self._admits(asked):
            return PlainTextResponse("This link was used, or is too old. Type: loopd ui", 403)
        answer = RedirectResponse("/", 303, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})
        token = self._sessions.begin()
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/", max_age=LASTS)
        return answer

    def _admits(self, asked: str) -> bool:
        stamp, _, signed = asked.partition("-")
        fresh = stamp.isascii() and stamp.isdecimal() and 0 <= time.time() - int(stamp[:18]) / 1e6 < SECONDS
        if (
            not fresh
            or asked in self._used
            or not hmac.compare_digest(signed.encode(), _signed(self.key, stamp).encode())
        ):
            return False
        self._used[asked] = None
        if len(self._used) > REMEMBERED:
            self._used.popitem(last=False)
        return True


def _signed(key: str, stamp: str) -> str:
    return hmac.new(key.encode(), f"open {stamp}".encode(), hashlib.sha256).hexdigest()
