"""A browser's sessions: a random token that opens the pages for a day, and is worth nothing elsewhere.

A browser sends its cookies to every port of an address, so whoever listens on another port of this machine sees them.
That is why a cookie never holds the endpoint's key. Sessions live in memory, by the sha256 of their token: when the
server ends, so do they.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from typing import Final

COOKIE: Final = "loopd_session"
LASTS: Final = 24 * 3600
"""Seconds from the link to the end of a session."""
MOST: Final = 100
"""Sessions at once; one more ends the oldest."""


class Sessions:
    """The sessions of one server."""

    def __init__(self) -> None:
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def begin(self) -> str:
        """Begin one. Returns its token."""
        token = secrets.token_urlsafe(32)
        self._ends[_digest(token)] = time.monotonic() + LASTS
        if len(self._ends) > MOST:
            self._ends.popitem(last=False)
        return token

    def know(self, cookies: str) -> bool:
        """Say whether a `Cookie` header names a session that lasts."""
        try:
            cookie = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            return False
        end = self._ends.get(_digest(cookie.value)) if cookie else None
        return end is not None and time.monotonic() < end


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
