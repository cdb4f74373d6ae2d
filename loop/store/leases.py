"""Who may write: one owner at a time, and nobody who lost the lease."""

from sqlalchemy import select, update

from loop.errors import AlreadyRunning
from loop.store.damage import reads
from loop.store.database import AnyRow, Database
from loop.store.tables import Lease

SECOND = 1_000_000


class Leases:
    """The leases. Once taken, a lease fences every write of this process: a later owner's epoch makes them fail."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def take(self, name: str, owner: str, seconds: float = 60.0) -> int:
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
        now = self._db.clock()
        until = now + int(seconds * SECOND)
        with self._db.write() as connection:
            held = connection.execute(select(Lease).where(Lease.name == name).with_for_update()).first()
            left = _left(held, owner, now) if held else 0
            epoch = held.epoch + 1 if held else 1
            if left <= 0:
                self._db.upsert(connection, Lease, [{"name": name, "owner": owner, "epoch": epoch, "expires": until}])
            elif left > until - now:
                connection.execute(update(Lease).where(Lease.name == name).values(expires=until))
        if held and left > 0:
            raise AlreadyRunning(
                f"Another loopd ({held.owner.partition(' ')[2] or held.owner}) writes to this database. Stop that one; "
                f"if it is gone, wait: its lease ends in {min(left, until - now) / SECOND:.0f} s."
            )
        self._db.fence = (name, epoch)
        return epoch

    def renew(self, seconds: float = 60.0) -> None:
        """Keep the lease for longer. Call it every third of its time.

        Raises:
            AlreadyRunning: it went to somebody else.
        """
        if self._db.fence is not None:
            self._expire(self._db.clock() + int(seconds * SECOND))

    def release(self) -> None:
        """Give the lease back, so that the next owner need not wait."""
        if self._db.fence is not None:
            self._expire(0)
            self._db.fence = None

    def _expire(self, when: int) -> None:
        with self._db.write() as connection:
            assert self._db.fence is not None, "the caller looked"
            connection.execute(update(Lease).where(Lease.name == self._db.fence[0]).values(expires=when))


@reads(Lease)
def _left(held: AnyRow, owner: str, now: int) -> int:
    """Microseconds for which a lease keeps an owner out."""
    mine = held.owner.partition(" ")[0] == owner.partition(" ")[0]
    return 0 if mine else int(held.expires) - now
