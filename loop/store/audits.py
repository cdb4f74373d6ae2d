"""Audits of wins: which are owed, what came out, and what they take out of every dataset."""

from hashlib import sha256

from sqlalchemy import select, update

from loop.canonical import clean
from loop.errors import Damaged
from loop.store.database import Database
from loop.store.tables import Audit as AuditRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.trajectories import Required, Trajectories, passed
from loop.types import Accepted, Purpose, Round, Verdict


class Audits:
    """The audits. A win is audited once; one that fails is accepted no more."""

    def __init__(self, database: Database, trajectories: Trajectories) -> None:
        self._db = database
        self._trajectories = trajectories

    def owed(self, rnd: Round, required: Required, most: int) -> list[Accepted]:
        """Draw a sample of a round's wins, and give those of it that were not audited yet, damaged ones left out.

        Args:
            rnd: the round; its seed draws, so that the sample is the same after a kill.
            required: checkers and versions by which a win is one.
            most: size of the sample.
        """
        query = select(TrajectoryRow.id).where(
            TrajectoryRow.round == rnd.id, TrajectoryRow.purpose == Purpose.TRAIN, *passed(required)
        )
        with self._db.read() as connection:
            wins = list(connection.scalars(query))
            done = set(connection.scalars(select(AuditRow.trajectory).where(AuditRow.round == rnd.id)))
        drawn = sorted({*wins, *done}, key=lambda win: sha256(f"{rnd.seed}/{win}".encode()).digest())[:most]
        return self._trajectories.these([value for value in drawn if value not in done], _told_by_training)

    def save(self, rnd: Round, trajectory_id: str, verdict: Verdict) -> None:
        """Keep what came out. A win that fails is accepted no more, and leaves what is trained on from now on."""
        row = {
            "trajectory": trajectory_id,
            "round": rnd.id,
            "passed": int(verdict.passed),
            "checker": None if verdict.passed else verdict.checker,
            "version": None if verdict.passed else verdict.version,
            "reason": clean(verdict.reason),
            "audited": self._db.clock(),
        }
        with self._db.write() as connection:
            self._db.insert_once(connection, AuditRow, [row])
            if not verdict.passed:
                refused = update(TrajectoryRow).where(TrajectoryRow.id == trajectory_id)
                connection.execute(refused.values(passed=0))


def _told_by_training(_trajectory: str, _why: Damaged) -> None:
    """Say nothing: who chooses what is trained on leaves it out too, and tells of it."""
