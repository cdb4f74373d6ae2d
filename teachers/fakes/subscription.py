"""What a subscription tells of itself: its limits, in an answer and in headers, and a token."""

import base64
import json
import time
from typing import Any

FULL = 100
"""Percent."""


def quota(primary: int, secondary: int) -> dict[str, Any]:
    """Spell the account's limits, in percent used; they reset in 90 minutes."""

    def window(used: int, minutes: int) -> dict[str, int]:
        seconds = {"limit_window_seconds": minutes * 60, "reset_after_seconds": 5400}
        return {"used_percent": used, "reset_at": int(time.time()) + 5400, **seconds}

    windows = {"primary_window": window(primary, 300), "secondary_window": window(secondary, 10080)}
    spent = primary >= FULL
    return {"plan_type": "plus", "rate_limit": {"allowed": not spent, "limit_reached": spent, **windows}}


def quota_headers(primary: int, secondary: int, resets_at: int) -> dict[str, str]:
    """Spell the same as the headers of an answer."""
    return {
        "x-codex-primary-used-percent": str(primary),
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(resets_at),
        "x-codex-secondary-used-percent": str(secondary),
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": str(resets_at + 86400),
    }


def signed_in(**claims: int) -> str:
    """Make an unsigned token of a subscriber; the client does not verify it."""
    account = {"chatgpt_plan_type": "plus", "chatgpt_user_id": "user-fake", "chatgpt_account_id": "acc-fake"}
    body = {"email": "fake@example.invalid", "exp": int(time.time()) + 86400, "https://api.openai.com/auth": account}
    return ".".join([_part({"alg": "none", "typ": "JWT"}), _part({**body, **claims}), "c2ln"])


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
