"""A ledger in memory, for tests and benchmarks; the real one is the store."""

from dataclasses import dataclass, field
from typing import NamedTuple

from loop.types import Usage


class Reservation(NamedTuple):
    """One reservation."""

    teacher: str
    usage: Usage
    at: float
    round: int | None
    settled: bool


@dataclass
class MemoryLedger:
    """Keeps reservations in a list; `now` is moved by hand, in seconds."""

    now: float = 0.0
    entries: list[Reservation] = field(default_factory=list)

    def reserve(self, teacher: str, most: Usage, *, play: str | None = None, round: int | None = None) -> int:  # noqa: A002 - a round's word everywhere
        """Write the worst case down."""
        del play
        self.entries.append(Reservation(teacher, most, self.now, round, settled=False))
        return len(self.entries) - 1

    def settle(self, call: int, usage: Usage, outcome: str = "ok") -> None:
        """Replace a reservation by what was used."""
        del outcome
        self.entries[call] = self.entries[call]._replace(usage=usage, settled=True)

    def spent(self, teacher: str | None = None, *, since: int = 0, round: int | None = None) -> Usage:  # noqa: A002 - a round's word everywhere
        """Add up."""
        usage = Usage()
        for entry in self.entries:
            if teacher in {None, entry.teacher} and entry.at * 1e6 >= since and round in {None, entry.round}:
                usage += entry.usage
        return usage
