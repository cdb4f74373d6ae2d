"""What in the database may go, and the room that this makes."""

from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update

from loop.store import word_index
from loop.store.database import Database
from loop.store.tables import Audit as AuditRow
from loop.store.tables import Correction as CorrectionRow
from loop.store.tables import DatasetRow, Decision, ToolCall
from loop.store.tables import Message as MessageRow
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Promotion as PromotionRow
from loop.store.tables import Round as RoundRow
from loop.store.tables import Trace as TraceRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.types import Purpose, RoundState, Standing

PAGE: Final = 500
"""Plays a transaction."""
STEP: Final = 50_000
"""Pages of the file that one call gives back at most."""


class Space:
    """Forgets what nothing refers to."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def rejected(self, upto: int) -> frozenset[str]:
        """Name the policies that were rejected in a round or before, wait for nothing, and never were champion."""
        crowned = select(PromotionRow.candidate).where(PromotionRow.decision != Decision.REJECTED)
        later = select(PromotionRow.candidate).where(PromotionRow.round > upto)
        waits = select(RoundRow.candidate).where(
            RoundRow.candidate.is_not(None), RoundRow.state.not_in((RoundState.DONE, RoundState.FAILED))
        )
        query = select(PolicyRow.id).where(
            PolicyRow.standing == Standing.REJECTED,
            or_(PolicyRow.round.is_(None), PolicyRow.round <= upto),
            *(PolicyRow.id.not_in(kept) for kept in (crowned, later, waits)),
        )
        with self._db.read() as connection:
            return frozenset(connection.scalars(query))

    def forgettable(self, upto: int) -> tuple[int, int]:
        """Count the plays whose messages may go, and what these take in bytes, about."""
        bodies = func.coalesce(func.sum(func.length(MessageRow.content) + func.length(MessageRow.body)), 0)
        several = select(func.count(TrajectoryRow.id.distinct()), bodies)
        query = several.join(MessageRow, MessageRow.trajectory == TrajectoryRow.id).where(*_rejected(upto))
        with self._db.read() as connection:
            plays, size = connection.execute(query).one()
        return int(plays), int(size)

    def forget(self, upto: int, most: int) -> int:
        """Delete the messages and calls of rejected training plays. Returns of how many plays.

        Args:
            upto: the last round whose plays are meant.
            most: plays, at most.
        """
        gone = 0
        while gone < most:
            with self._db.write() as connection:
                page = select(TrajectoryRow.id).where(*_rejected(upto)).order_by(TrajectoryRow.id).limit(PAGE)
                ids = list(connection.scalars(page))
                word_index.remove(connection, ids)
                for table in (ToolCall, MessageRow):
                    connection.execute(delete(table).where(table.trajectory.in_(ids)))
                emptied = update(TrajectoryRow).where(TrajectoryRow.id.in_(ids))
                connection.execute(emptied.values(emptied=self._db.clock()))
            gone += len(ids)
            if len(ids) < PAGE:
                break
        return gone

    def unused(self) -> int:
        """Say how many bytes of SQLite's file hold nothing; the next rows are written there."""
        with self._db.read() as connection:
            if connection.dialect.name != "sqlite":
                return 0
            free, page = (
                connection.exec_driver_sql(f"pragma {name}").scalar_one() for name in ("freelist_count", "page_size")
            )
        return int(free) * int(page)

    def release(self) -> None:
        """Give what holds nothing back to the disk, some at a call, where the file is made for it."""
        self._db.shrink(STEP)


def _rejected(upto: int) -> list[ColumnElement[bool]]:
    """Say, in SQL, that a training play was rejected in a round that has ended, and that nothing refers to it."""
    row = TrajectoryRow
    ended = select(RoundRow.id).where(RoundRow.id <= upto, RoundRow.state.in_((RoundState.DONE, RoundState.FAILED)))
    referring = (
        DatasetRow.trajectory,
        AuditRow.trajectory,
        TraceRow.trajectory,
        TraceRow.origin,
        CorrectionRow.trajectory,
    )
    return [
        row.passed == 0,
        row.purpose == Purpose.TRAIN,
        row.emptied.is_(None),
        row.round.in_(ended),
        *(~exists().where(column == row.id) for column in referring),
    ]
