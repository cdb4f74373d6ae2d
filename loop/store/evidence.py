"""What a release has to tell beside its scores: where its data came from, and how fast it was."""

from sqlalchemy import func, select

from loop.store.database import Database
from loop.store.tables import DatasetRow, TrainingStep
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Round as RoundRow
from loop.store.tables import Task as TaskRow
from loop.store.tables import Trace as TraceRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.types import Purpose, Record


class RowOrigin(Record):
    """Rows of a dataset that came the same way."""

    generator: str
    """Who made the task."""
    player: str
    """Who played it."""
    student: bool
    """Whether that was one of our own policies."""
    trace: str = ""
    """Where the conversation happened; empty where it was played here."""
    licence: str = ""
    """Of the trace, as it was told at the import."""
    arm: str = ""
    """What was made of the trace."""
    rows: int


class Timing(Record):
    """What one play took."""

    seconds: float
    answers: int
    tokens: int
    """That were said."""


class RecordedFit(Record):
    """How a training ran."""

    steps: int
    tokens_per_second: float | None
    """Mean over the steps that tell."""
    peak_gb: float | None
    """Most memory that MLX held, 10^9 bytes."""


class Evidence:
    """Read only: everything here was written by others."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def trained_in(self, policy_id: str) -> int | None:
        """Number the round that trained a policy; None where none did."""
        query = (
            select(RoundRow.id)
            .join(PolicyRow, PolicyRow.id == RoundRow.candidate)
            .where(RoundRow.candidate == policy_id, RoundRow.dataset.is_not(None))
        )
        with self._db.read() as connection:
            return connection.scalar(query.order_by(RoundRow.id).limit(1))

    def origins(self, dataset_id: str) -> tuple[RowOrigin, ...]:
        """Count a dataset's rows by where they came from, the most first."""
        how = (
            TaskRow.generator,
            TrajectoryRow.player,
            TrajectoryRow.policy.is_not(None).label("student"),
            func.coalesce(TraceRow.source, "").label("trace"),
            func.coalesce(TraceRow.licence, "").label("licence"),
            func.coalesce(TraceRow.arm, "").label("arm"),
        )
        query = (
            select(*how, func.count().label("rows"))
            .select_from(DatasetRow)
            .join(TrajectoryRow, TrajectoryRow.id == DatasetRow.trajectory)
            .join(TaskRow, TaskRow.id == TrajectoryRow.task)
            .outerjoin(TraceRow, TraceRow.trajectory == TrajectoryRow.id)
            .where(DatasetRow.dataset == dataset_id)
            .group_by(*how)
            .order_by(func.count().desc(), TaskRow.generator, TrajectoryRow.player)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(RowOrigin.model_validate(dict(row)) for row in rows)

    def timings(self, policy_id: str) -> tuple[Timing, ...]:
        """Say what each of a policy's plays on suites took."""
        row = TrajectoryRow
        query = select(row.seconds, row.requests, row.completion_tokens).where(
            row.policy == policy_id, row.purpose == Purpose.GATE, row.requests > 0, row.seconds > 0
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return tuple(Timing(seconds=row.seconds, answers=row.requests, tokens=row.completion_tokens) for row in rows)

    def fit(self, round_id: int) -> RecordedFit | None:
        """Say how a round's training ran; None where no step was taken."""
        query = select(func.count(), func.avg(TrainingStep.tokens_per_second), func.max(TrainingStep.peak_gb)).where(
            TrainingStep.round == round_id
        )
        with self._db.read() as connection:
            steps, speed, peak = connection.execute(query).one()
        return RecordedFit(steps=steps, tokens_per_second=speed, peak_gb=peak) if steps else None
