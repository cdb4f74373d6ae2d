"""How long nobody has used the machine: `ioreg` on macOS, logind elsewhere."""

import os
import re
import sys
import time
from typing import Final

from loop.types import Record
from loop.windows.machine import answer

HID: Final = re.compile(r'"HIDIdleTime"\s*=\s*(?P<nanoseconds>\d{1,20})\b')
"""`ioreg`: nanoseconds since the last input, once for each input system."""
HINT: Final = re.compile(r"^IdleHint=(?P<idle>yes|no)$", re.MULTILINE)
SINCE: Final = re.compile(r"^IdleSinceHint=(?P<microseconds>\d{1,20})$", re.MULTILINE)
"""`loginctl`: whether all sessions of the user are idle, and since when, in microseconds since the epoch."""


class Idle(Record):
    """Looks when somebody last used keyboard or mouse."""

    platform: str = sys.platform

    def look(self) -> float | None:
        """Give the seconds since then."""
        if self.platform == "darwin":
            return by_input(answer("ioreg", "-c", "IOHIDSystem"))
        answer_text = answer(
            "loginctl", "show-user", str(os.getuid()), "--property=IdleHint", "--property=IdleSinceHint"
        )
        return by_sessions(answer_text, time.time())


def by_input(output: str) -> float | None:
    """Read what `ioreg -c IOHIDSystem` says: of several input systems, the one that was used last."""
    seconds = [int(each["nanoseconds"]) / 1e9 for each in HID.finditer(output)]
    return min(seconds, default=None)


def by_sessions(output: str, now: float) -> float | None:
    """Read what `loginctl show-user` says. Sessions that are not idle are in use now."""
    hint, since = HINT.search(output), SINCE.search(output)
    if hint is None or since is None:
        return None
    return max(0.0, now - int(since["microseconds"]) / 1e6) if hint["idle"] == "yes" else 0.0
