"""Verdicts, and what they add up to."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, case, delete, func, select, update

from loop.redaction import blanking
from loop.store.damage import reads
from loop.store.database import AnyRow, Database
from loop.store.rows import verdict_row
from loop.store.tables import Audit as AuditRow
from loop.store.tables import Play as PlayRow
from loop.store.tables import PlayState, RequiredChecker, TaskBackend
from loop.store.tables import Task as TaskRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.tables import Verdict as VerdictRow
from loop.store.trajectories import Required, passed, verdicts_of
from loop.types import ArmKey, Purpose, Rate, Round, TaskTally, Verdict

TOGETHER: Final = 50
"""Trajectories whose verdicts are worth one transaction: a commit costs as much as storing them."""
THESE: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
GIVEN = (
    select(VerdictRow.trajectory, VerdictRow.checker, VerdictRow.version, VerdictRow.passed)
    .where(VerdictRow.trajectory.in_(THESE))
    .order_by(VerdictRow.version)
)
AUDITED = select(AuditRow.trajectory, AuditRow.passed).where(AuditRow.trajectory.in_(THESE))
MARK = update(TrajectoryRow).where(TrajectoryRow.id == bindparam("trajectory")).values(passed=bindparam("accepted"))


class Verdicts:
    """What the checkers said. A verdict of the same checker and version is kept once."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._required: frozenset[tuple[str, int]] | None = None  # what `required_checker` holds, once read

    def require(self, checkers: Required) -> None:
        """Say which checkers, at which versions, decide whether a trajectory counts as accepted.

        Until this is called, every checker that judged a trajectory does, at its latest version. A changed set
        judges the training plays that are stored anew from the verdicts that are there; a gate's play stays as it was
        judged, like its score, and a trace (round 0) is judged by its filters.
        """
        wanted = frozenset(checkers)
        with self._db.write() as connection:
            if self._wanted(connection) != wanted:
                connection.execute(delete(RequiredChecker))
                rows = [{"name": name, "version": version} for name, version in sorted(wanted)]
                self._db.insert_once(connection, RequiredChecker, rows)
                training = update(TrajectoryRow).where(TrajectoryRow.purpose == Purpose.TRAIN, TrajectoryRow.round > 0)
                connection.execute(training.values(passed=_accepted(sorted(wanted))))
        self._required = wanted

    def record(self, trajectory_id: str, verdicts: Sequence[Verdict], required: Required | None = None) -> None:
        """Keep verdicts, and say on the trajectory whether it is accepted now.

        Args:
            trajectory_id: whose.
            verdicts: what the checkers said.
            required: checkers and versions that decide, where a suite has its own; None for those of `require`.
        """
        self.record_all({trajectory_id: verdicts}, required)

    def record_all(self, judged: Mapping[str, Sequence[Verdict]], required: Required | None = None) -> None:
        """Keep the verdicts on several trajectories in one transaction.

        Args:
            judged: what the checkers said, by the trajectory's id.
            required: as of `record`.
        """
        if not judged:
            return
        blank, now = blanking(), self._db.clock()
        rows = [verdict_row(name, verdict, now, blank) for name, verdicts in judged.items() for verdict in verdicts]
        with self._db.write() as connection:
            self._db.insert_once(connection, VerdictRow, rows)
            accepted = self._judged(connection, list(judged), required)
            connection.execute(MARK, [{"trajectory": name, "accepted": accepted[name]} for name in judged])

    def tallies(self, rnd: Round, purpose: Purpose = Purpose.TRAIN) -> list[TaskTally]:
        """How each task of a round went so far, in the order of their ids."""
        student = TrajectoryRow.policy.is_not(None)
        won = TrajectoryRow.passed == 1
        conditions = {
            "student_plays": student,
            "student_wins": student & won,
            "teacher_plays": ~student,
            "teacher_wins": ~student & won,
        }
        counts = [func.sum(case((condition, 1), else_=0)).label(name) for name, condition in conditions.items()]
        query = (
            select(TaskRow.id, TaskRow.backends, TaskRow.family, TaskRow.tier, *counts)
            .join(TaskRow, TaskRow.id == TrajectoryRow.task)
            .where(TrajectoryRow.round == rnd.id, TrajectoryRow.purpose == purpose)
            .group_by(TaskRow.id)
            .order_by(TaskRow.id)
        )
        with self._db.read() as connection:
            return [_tally(row) for row in connection.execute(query)]

    def barren(self, rnd: Round) -> list[ArmKey]:
        """Arms that the student was to play in a round, and of which no play came back: all were lost or given up."""
        done = func.sum(case((PlayRow.state == PlayState.DONE, 1), else_=0))
        query = (
            select(func.min(TaskRow.id).label("id"), TaskRow.backends, TaskRow.family, TaskRow.tier)
            .join(PlayRow, PlayRow.task == TaskRow.id)
            .where(PlayRow.round == rnd.id, PlayRow.purpose == Purpose.TRAIN, PlayRow.policy.is_not(None))
            .group_by(TaskRow.backends, TaskRow.family, TaskRow.tier)
            .having(done == 0)
            .order_by(TaskRow.backends, TaskRow.family, TaskRow.tier)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [_arm(row) for row in rows]

    def rates(self, rnd: Round, purpose: Purpose = Purpose.TRAIN) -> list[Rate]:
        """Plays and wins of a round per backend and player; a task of two backends counts for both."""
        who = TaskBackend.backend, TrajectoryRow.player, TrajectoryRow.policy
        query = (
            select(*who, func.count(), func.sum(case((TrajectoryRow.passed == 1, 1), else_=0)))
            .join(TaskBackend, TaskBackend.task == TrajectoryRow.task)
            .where(TrajectoryRow.round == rnd.id, TrajectoryRow.purpose == purpose)
            .group_by(*who)
            .order_by(*who)
        )
        with self._db.read() as connection:
            return [
                Rate(backend=backend, player=player, policy=policy, plays=plays, wins=wins)
                for backend, player, policy, plays, wins in connection.execute(query)
            ]

    def _judged(self, connection: Connection, ids: Sequence[str], required: Required | None) -> dict[str, int | None]:
        """1 where every required checker passed it, 0 where one or an audit did not, None where one has not judged."""
        said: dict[str, dict[tuple[str, int], int]] = {name: {} for name in ids}
        for row in connection.execute(GIVEN, {"ids": ids}):
            said[row.trajectory][row.checker, row.version] = row.passed
        audits: dict[str, int] = {row.trajectory: row.passed for row in connection.execute(AUDITED, {"ids": ids})}
        wanted = frozenset(required or ()) or self._wanted(connection)
        return {name: _least(given, wanted, audits.get(name)) for name, given in said.items()}

    def _wanted(self, connection: Connection) -> frozenset[tuple[str, int]]:
        if self._required is None:
            rows = connection.execute(select(RequiredChecker.name, RequiredChecker.version))
            self._required = frozenset((row.name, row.version) for row in rows)
        return self._required


def _least(
    given: Mapping[tuple[str, int], int], required: frozenset[tuple[str, int]], audited: int | None
) -> int | None:
    """Take what the required checkers and an audit said together; None where one has not judged.

    Where no checker is required, each counts by its latest version.
    """
    wanted = required or frozenset(dict(given.keys()).items())
    if not wanted <= given.keys():
        return None
    return min((*(given[checker] for checker in wanted), *([] if audited is None else [audited])), default=None)


def _accepted(required: Required) -> ColumnElement[int | None]:
    """Say, in SQL, what `trajectory.passed` must be."""
    judged = verdicts_of(required) == len(required)
    return case((and_(judged, *passed(required)), 1), (judged, 0), else_=None)


@reads(TaskRow)
def _arm(row: AnyRow) -> ArmKey:
    return ArmKey(backends=tuple(row.backends.split("+")), family=row.family, tier=row.tier)


@reads(TaskRow)
def _tally(row: AnyRow) -> TaskTally:
    return TaskTally(
        task=row.id,
        arm=_arm(row),
        student_plays=row.student_plays,
        student_wins=row.student_wins,
        teacher_plays=row.teacher_plays,
        teacher_wins=row.teacher_wins,
    )
