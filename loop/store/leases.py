"""Who may write: one owner at a time, and nobody who lost the lease."""

from sqlalchemy import select, update

from loop.errors import AlreadyRunning
from loop.models import Lease
from loop.store.base import Base

SECOND = 1_000_000


class Leases(Base):
    """The leases. Once taken, a lease fences every write of this store: a later owner's epoch makes them fail."""

    def take_lease(self, name: str, owner: str, seconds: float = 60.0) -> int:
        """Take a lease that is free, expired, or the owner's own; returns its epoch.

        Raises:
            AlreadyRunning: somebody else holds it.
        """
        now = self._clock()
        with self._write() as connection:
            held = connection.execute(select(Lease).where(Lease.name == name).with_for_update()).first()
            if held is not None and held.owner != owner and held.expires > now:
                left = (held.expires - now) / SECOND
                raise AlreadyRunning(
                    f"Another loopd ({held.owner}) writes to this database. Stop it there; if it is gone, wait: "
                    f"its lease ends in {left:.0f} s."
                )
            epoch = 1 if held is None else held.epoch + 1
            row = {"name": name, "owner": owner, "epoch": epoch, "expires": now + int(seconds * SECOND)}
            self._upsert(connection, Lease, [row])
        self._fence = (name, epoch)
        return epoch

    def renew_lease(self, seconds: float = 60.0) -> None:
        """Keep the lease for longer. Call it every third of its time.

        Raises:
            AlreadyRunning: it went to somebody else.
        """
        if self._fence is not None:
            self._expire(self._clock() + int(seconds * SECOND))

    def release_lease(self) -> None:
        """Give the lease back, so that the next owner need not wait."""
        if self._fence is not None:
            self._expire(0)
            self._fence = None

    def lease_owner(self, name: str) -> str | None:
        """Tell who holds a lease now."""
        query = select(Lease.owner).where(Lease.name == name, Lease.expires > self._clock())
        with self._read() as connection:
            return connection.scalar(query)

    def _expire(self, when: int) -> None:
        with self._write() as connection:
            assert self._fence is not None, "the caller looked"
            connection.execute(update(Lease).where(Lease.name == self._fence[0]).values(expires=when))
