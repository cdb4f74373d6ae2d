"""Paid calls, reserved before they are sent and settled after; and credentials that must wait."""

from sqlalchemy import func, select, update

from loop.errors import LoopdError
from loop.store.damage import reads
from loop.store.database import AnyRow, Database
from loop.store.doors import kept
from loop.store.tables import CallState, Quota, TeacherCall
from loop.types import Record, Usage


class Parked(Record):
    """A credential that must wait until a time (seconds since the epoch), after so many failures in a row."""

    credential: str
    until: float
    failures: int
    reason: str


class Spend:
    """What the teachers cost. A call that was never settled counts as spent, at its reservation."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def reserve(self, teacher: str, most: Usage, *, play: str | None = None, round: int | None = None) -> int:  # noqa: A002 - a round's word everywhere
        """Book the most that a call may cost, before it is sent; returns the call's number."""
        row = {
            "teacher": teacher,
            "play": play,
            "round": round,
            "reserved": self._db.clock(),
            **most.model_dump(),
        }
        with self._db.write() as connection:
            add = self._db.insert(TeacherCall).values(state=CallState.SENT, **row)
            return connection.execute(add.returning(TeacherCall.id)).scalar_one()

    def settle(self, call: int, usage: Usage, outcome: str = "ok") -> None:
        """Replace a reservation by what the call really cost.

        Args:
            call: the number that `reserve` gave.
            usage: what the provider charged; `Usage()` where it charged nothing.
            outcome: "ok", or a failure's kind.

        Raises:
            LoopdError: no such call is open.
        """
        values = {
            "state": CallState.SETTLED,
            "outcome": kept(outcome),
            "settled": self._db.clock(),
            **usage.model_dump(),
        }
        here = TeacherCall.id == call, TeacherCall.state == CallState.SENT
        with self._db.write() as connection:
            if connection.execute(update(TeacherCall).where(*here).values(**values)).rowcount != 1:
                raise LoopdError(f"Teacher call {call} is not open")

    def spent(self, teacher: str | None = None, *, since: int = 0, round: int | None = None) -> Usage:  # noqa: A002 - a round's word everywhere
        """Add up what was spent or is reserved.

        Args:
            teacher: only this one.
            since: only calls reserved at this time or later, in microseconds since the epoch.
            round: only this round's calls.
        """
        names = list(Usage.model_fields)
        sums = [func.coalesce(func.sum(getattr(TeacherCall, name)), 0) for name in names]
        query = select(*sums).where(TeacherCall.reserved >= since)
        query = query if teacher is None else query.where(TeacherCall.teacher == teacher)
        query = query if round is None else query.where(TeacherCall.round == round)
        with self._db.read() as connection:
            return Usage.model_validate(dict(zip(names, connection.execute(query).one(), strict=True)))

    def park(self, parked: Parked) -> None:
        """Note that a credential must wait."""
        row = parked.model_dump() | {"reason": kept(parked.reason), "changed": self._db.clock()}
        with self._db.write() as connection:
            self._db.upsert(connection, Quota, [row])

    def parked(self, credential: str) -> Parked | None:
        """Return a credential's last wait, whether or not it is over; None where it never had one."""
        with self._db.read() as connection:
            row = connection.execute(select(Quota).where(Quota.credential == credential)).first()
        return None if row is None else _parked(row)


@reads(Quota)
def _parked(row: AnyRow) -> Parked:
    return Parked(credential=row.credential, until=row.until, failures=row.failures, reason=row.reason)
