"""Asks the Codex client how much of a subscription is used: a short-lived app-server and no model call."""

import time

from teachers.budget.limits import Window
from teachers.codex_client.app_server import AppServer
from teachers.codex_client.home import Home

SECONDS = 20.0


def read_windows(home: Home) -> tuple[Window, ...]:
    """Read the subscription's limits.

    Raises:
        ProviderError: the client or its provider does not answer.
    """
    server, deadline = AppServer(home), time.monotonic() + SECONDS
    try:
        server.greet(deadline)
        return server.limits(deadline)
    finally:
        server.close()
