"""What the curriculum knows."""

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection, select, text

from curriculum.posterior import interval
from loop.store.damage import reads, record
from loop.store.database import AnyRow, Database
from loop.store.rows import Values, body
from loop.store.tables import Arm as ArmRow
from loop.types import Arm, ArmKey


class Arms:
    """The arms, each with its posterior."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> tuple[Arm, ...]:
        """Every arm that was ever saved, by name."""
        with self._db.read() as connection:
            return tuple(_known(connection))

    def save(self, arms: Iterable[Arm]) -> None:
        """Save arms, each in place of what was known of it."""
        with self._db.write() as connection:
            self._db.upsert(connection, ArmRow, [self._arm(arm) for arm in arms])

    def change(self, change: Callable[[Mapping[ArmKey, Arm]], Iterable[Arm]]) -> None:
        """Read every arm, change some, save those: one transaction.

        So neither what a round learned nor what an operator set meanwhile is lost.

        Args:
            change: from what is known, by key, to the arms to save.
        """
        with self._db.write() as connection:
            if connection.dialect.name == "postgresql":  # SQLite's one writer needs no lock
                connection.execute(text("lock table arm in share row exclusive mode"))
            known = {arm.key: arm for arm in _known(connection)}
            self._db.upsert(connection, ArmRow, [self._arm(arm) for arm in change(known)])

    def _arm(self, arm: Arm) -> Values:
        key = arm.key
        known = arm.model_dump(include=set(ArmRow.__table__.columns.keys()))
        where = {"name": str(key), "backends": "+".join(key.backends), "family": key.family, "tier": key.tier}
        low, high = interval(arm)
        shown = {"low": low, "high": high, "frozen": int(arm.frozen)}
        return where | known | shown | {"body": body(arm), "changed": self._db.clock()}


def _known(connection: Connection) -> list[Arm]:
    rows = connection.execute(select(ArmRow.name, ArmRow.body).order_by(ArmRow.name))
    return [_arm(row) for row in rows]


@reads(ArmRow)
def _arm(row: AnyRow) -> Arm:
    return record(Arm, row.body)
