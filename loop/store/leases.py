"""Who may write: one owner at a time, and nobody who lost the lease."""

from sqlalchemy import select, update

from loop.errors import AlreadyRunning
from loop.store.base import AnyRow, Base
from loop.store.tables import Lease

SECOND = 1_000_000


class Leases(Base):
    """The leases. Once taken, a lease fences every write of this store: a later owner's epoch makes them fail."""

    def take_lease(self, name: str, owner: str, seconds: float = 60.0) -> int:
        """Take a lease that is free, expired, or the owner's own; returns its epoch.

        Nobody is asked to wait for longer than `seconds`: a lease that ends later was taken under another clock, or
        before this one was put back, and is cut. An owner that lives renews it, and goes on.

        Args:
            name: which lease.
            owner: who takes it: an identity, and behind a space whatever people should read of it.
            seconds: how long it lasts.

        Raises:
            AlreadyRunning: somebody else holds it.
        """
        now = self._clock()
        until = now + int(seconds * SECOND)
        with self._write() as connection:
            held = connection.execute(select(Lease).where(Lease.name == name).with_for_update()).first()
            left = _left(held, owner, now) if held else 0
            epoch = held.epoch + 1 if held else 1
            if left <= 0:
                self._upsert(connection, Lease, [{"name": name, "owner": owner, "epoch": epoch, "expires": until}])
            elif left > until - now:
                connection.execute(update(Lease).where(Lease.name == name).values(expires=until))
        if held and left > 0:
            raise AlreadyRunning(
                f"Another loopd ({held.owner.partition(' ')[2] or held.owner}) writes to this database. Stop it there; "
                f"if it is gone, wait: its lease ends in {min(left, until - now) / SECOND:.0f} s."
            )
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

    def _expire(self, when: int) -> None:
        with self._write() as connection:
            assert self._fence is not None, "the caller looked"
            connection.execute(update(Lease).where(Lease.name == self._fence[0]).values(expires=when))


def _left(held: AnyRow, owner: str, now: int) -> int:
    """Microseconds for which a lease keeps an owner out."""
    mine = held.owner.partition(" ")[0] == owner.partition(" ")[0]
    return 0 if mine else int(held.expires) - now
