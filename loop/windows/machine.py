"""What a machine is seen to be, and how that is looked at: a probe each, behind one protocol."""

import subprocess
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from loop.types import Record

Seen_co = TypeVar("Seen_co", covariant=True)
PATIENCE: Final = 5.0
"""Seconds that a program of the system may take to answer."""


class Pressure(StrEnum):
    """How hot the machine is, in macOS's words, from cool to hot."""

    NOMINAL = "nominal"
    MODERATE = "moderate"
    HEAVY = "heavy"
    TRAPPING = "trapping"

    def exceeds(self, limit: "Pressure") -> bool:
        """Whether it is more than a limit."""
        order = list(Pressure)
        return order.index(self) > order.index(limit)


class Machine(Record):
    """What was seen; None is not known, or was not looked at."""

    mains: bool | None = None
    idle: float | None = None
    """Seconds since somebody last used keyboard or mouse."""
    pressure: Pressure | None = None


class Probe(Protocol[Seen_co]):
    """Looks at one thing of this machine."""

    def look(self) -> Seen_co | None:
        """Say what it is; None where that cannot be told. Never raises, and takes seconds at most."""
        ...


def answer(*command: str) -> str:
    """Ask a program of the system; empty where there is none, or it fails, or it takes too long."""
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.decode("utf-8", errors="replace")
