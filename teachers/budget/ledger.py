"""The ledger of what teachers spend: a play's worst case is reserved before it starts and settled after.

The daemon keeps it (it is the only writer of the store); workers return `Usage` and `Failure`. A crash in between
over-counts and never under-counts.
"""

from typing import Protocol

from loop.types import Usage


class SpendLedger(Protocol):
    """What is kept of every credential, over restarts; the store fulfils it."""

    def reserve(self, teacher: str, most: Usage, *, play: str | None = None, round: int | None = None) -> int:  # noqa: A002 - a round's word everywhere
        """Write the worst case down before a play starts; returns the reservation's number."""
        ...

    def settle(self, call: int, usage: Usage, outcome: str = "ok") -> None:
        """Replace a reservation by what was used. One that is never settled counts as spent in full."""
        ...

    def spent(self, teacher: str | None = None, *, since: int = 0, round: int | None = None) -> Usage:  # noqa: A002 - a round's word everywhere
        """Add up what was used or is reserved; `since` in microseconds since the epoch."""
        ...


def charged(reserved: Usage, used: Usage, *, failed: bool) -> Usage:
    """Say what a play is charged: what was used; where it failed, no less than was reserved.

    A failed step may have cost tokens that nobody counted.
    """
    if not failed:
        return used
    mine, theirs = used.model_dump(), reserved.model_dump()
    return Usage(**{name: max(mine[name], theirs[name]) for name in mine})
