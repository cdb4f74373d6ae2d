"""Frozen suites and the scores on them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Label, and_, case, func, select, update

from loop.canonical import canonical
from loop.store.damage import json_object, reads, there
from loop.store.database import AnyRow, AnySelect, Database
from loop.store.doors import kept
from loop.store.rows import part
from loop.store.tables import Growth, SuiteTask
from loop.store.tables import Message as MessageRow
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Score as ScoreRow
from loop.store.tables import Suite as SuiteRow
from loop.store.tables import Task as TaskRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.tables import Verdict as VerdictRow
from loop.store.tasks import Tasks
from loop.store.trajectories import Required, evidence_of, passed, verdicts_of
from loop.types import Purpose, Record, Round, Score, Suite


class ScoreConditions(Record):
    """Under which conditions somebody was measured."""

    suite: str
    suite_id: str
    fingerprint: str


class Unmeasured(Record):
    """A score that lacks a measure."""

    suite_id: str
    task: str
    sample: int
    trajectory: str


class Suites:
    """The suites, each by its digest, and what was scored on them under which fingerprint."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._db = database
        self._tasks = tasks

    def save(self, suite: Suite) -> Suite:
        """Keep a suite with its tasks. Doing so twice is a no-op.

        Raises:
            CheckNegative: a task's leak group is already used in another split.
        """
        head = {"id": suite.id, "name": suite.name, "tasks": len(suite.tasks), "added": self._db.clock()}
        rows = [{"suite": suite.id, "place": index, "task": task.id} for index, task in enumerate(suite.tasks)]
        with self._db.write() as connection:
            if connection.scalar(select(SuiteRow.id).where(SuiteRow.id == suite.id)) is None:
                self._tasks.add(connection, suite.tasks)
                self._db.insert_once(connection, SuiteRow, [head])
                self._db.insert_once(connection, SuiteTask, rows)
        return suite

    def newest(self, name: str) -> Suite | None:
        """Return the newest suite of a name."""
        newest = select(SuiteRow.id).where(SuiteRow.name == name).order_by(SuiteRow.added.desc(), SuiteRow.id).limit(1)
        with self._db.read() as connection:
            digest = connection.scalar(newest)
            if digest is None:
                return None
            query = select(SuiteTask.task).where(SuiteTask.suite == digest).order_by(SuiteTask.place)
            ids = connection.scalars(query).all()
            tasks = self._tasks.load(connection, ids)
        return Suite(name=name, tasks=tuple(there(tasks, identity, "task") for identity in ids))

    def grown(self, name: str) -> int:
        """How many times as large a gate's suite is drawn: once, until it was grown."""
        with self._db.read() as connection:
            return connection.scalar(select(Growth.times).where(Growth.suite == name)) or 1

    def grow(self, name: str, times: int, rnd: Round, reason: str) -> None:
        """Have a gate's suite drawn so many times as large from now on."""
        row = {"suite": name, "times": times, "round": rnd.id, "reason": kept(reason), "grown": self._db.clock()}
        with self._db.write() as connection:
            self._db.upsert(connection, Growth, [row])

    def save_scores(
        self,
        subject: str,
        suite_id: str,
        fingerprint: str,
        scores: Iterable[Score],
        trajectories: Mapping[tuple[str, int], str] | None = None,
    ) -> None:
        """Keep scores; one that is there already stays as it is.

        Args:
            subject: a policy's id, or a teacher's name.
            suite_id: `Suite.id`.
            fingerprint: digest of everything that makes scores comparable.
            scores: one a task and sample.
            trajectories: the trajectory behind each, by task and sample.
        """
        behind, now = trajectories or {}, self._db.clock()
        with self._db.write() as connection:
            policy = connection.scalar(select(PolicyRow.id).where(PolicyRow.id == subject))
            fixed = {"subject": subject, "suite": suite_id, "fingerprint": fingerprint, "policy": policy, "scored": now}
            rows = [
                fixed
                | {"task": score.task, "sample": score.sample, "passed": int(score.passed)}
                | {"measures": part(score, "measures"), "trajectory": behind.get((score.task, score.sample))}
                for score in scores
            ]
            self._db.insert_once(connection, ScoreRow, rows)

    def score(  # noqa: PLR0913 - what makes scores comparable
        self,
        rnd: Round,
        suite_id: str,
        fingerprint: str,
        required: Required,
        play_id: Callable[[str, str, int], str] | None = None,
        *,
        timed: bool = False,
    ) -> None:
        """Score what a round played on a suite: passed where every required checker did. Twice is a no-op.

        Args:
            rnd: the round.
            suite_id: `Suite.id`.
            fingerprint: digest of everything that makes scores comparable.
            required: checkers and versions that must have passed it.
            play_id: the id of the play that was owed under this fingerprint, by subject, task and sample: a round that
                went on with other settings, and round 0, hold plays of other fingerprints too. None counts all.
            timed: whether the seconds of an answer are a measure.
        """
        with self._db.write() as connection:
            rows = list(connection.execute(_played(rnd, suite_id, required)))
            now = self._db.clock()
            if play_id is not None:
                rows = [row for row in rows if row.id == play_id(row.policy or row.player, row.task, row.sample)]
            fixed = {"suite": suite_id, "fingerprint": fingerprint, "scored": now}
            scored = [
                fixed
                | {"subject": row.policy or row.player, "policy": row.policy, "task": row.task, "sample": row.sample}
                | {"passed": row.passed, "trajectory": row.id, "measures": canonical(_measures(row, timed=timed))}
                for row in rows
            ]
            self._db.insert_once(connection, ScoreRow, scored)

    def unmeasured(self, subject: str, suite_id: str, fingerprint: str, measure: str) -> list[Unmeasured]:
        """List the scores that lack a measure and whose play is known, by task and sample."""
        here = ScoreRow.subject == subject, ScoreRow.suite == suite_id, ScoreRow.fingerprint == fingerprint
        query = select(ScoreRow).where(*here, ScoreRow.trajectory.is_not(None)).order_by(ScoreRow.task, ScoreRow.sample)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [
            Unmeasured(suite_id=suite_id, task=row.task, sample=row.sample, trajectory=row.trajectory)
            for row in rows
            if measure not in _measures_of(row)
        ]

    def add_measures(self, subject: str, fingerprint: str, measures: Mapping[Unmeasured, Mapping[str, float]]) -> None:
        """Add what was measured to scores that are there; all of it or nothing."""
        with self._db.write() as connection:
            for score, added in measures.items():
                here = and_(
                    ScoreRow.subject == subject,
                    ScoreRow.suite == score.suite_id,
                    ScoreRow.fingerprint == fingerprint,
                    ScoreRow.task == score.task,
                    ScoreRow.sample == score.sample,
                )
                row = connection.execute(select(ScoreRow).where(here)).one()
                both = canonical({**_measures_of(row), **added})
                connection.execute(update(ScoreRow).where(here).values(measures=both))

    def scores(self, subject: str, suite_id: str, fingerprint: str) -> list[Score]:
        """Scores of a policy (by id) or a teacher (by name), by task and sample."""
        query = (
            select(ScoreRow, TaskRow.backends, TaskRow.family, TaskRow.tier, TaskRow.novelty)
            .outerjoin(TaskRow, TaskRow.id == ScoreRow.task)
            .where(ScoreRow.subject == subject, ScoreRow.suite == suite_id, ScoreRow.fingerprint == fingerprint)
            .order_by(ScoreRow.task, ScoreRow.sample)
        )
        with self._db.read() as connection:
            return [_score(row) for row in connection.execute(query)]

    def measured(self, subject: str) -> tuple[ScoreConditions, ...]:
        """List the suites and fingerprints that a policy (by id) or a teacher (by name) has scores under."""
        met = select(SuiteRow.name, ScoreRow.suite, ScoreRow.fingerprint).join(SuiteRow, SuiteRow.id == ScoreRow.suite)
        query = met.where(ScoreRow.subject == subject).distinct().order_by(SuiteRow.name, ScoreRow.fingerprint)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return tuple(ScoreConditions(suite=row.name, suite_id=row.suite, fingerprint=row.fingerprint) for row in rows)

    def findings(
        self, subject: str, suite_id: str, fingerprint: str, checker: tuple[str, int]
    ) -> list[tuple[str, bool, dict[str, JsonValue]]]:
        """What a checker at one version found on the first play of each task: task, whether it passed, evidence."""
        query = (
            select(ScoreRow.task, VerdictRow)
            .join(VerdictRow, VerdictRow.trajectory == ScoreRow.trajectory)
            .where(ScoreRow.subject == subject, ScoreRow.suite == suite_id, ScoreRow.fingerprint == fingerprint)
            .where(ScoreRow.sample == 0, VerdictRow.checker == checker[0], VerdictRow.version == checker[1])
            .order_by(ScoreRow.task)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [(row.task, bool(row.passed), evidence_of(row)) for row in rows]


MEASURED: Final = (TrajectoryRow.completion_tokens, TrajectoryRow.seconds, TrajectoryRow.requests)


def _played(rnd: Round, suite_id: str, required: Required) -> AnySelect:
    """Select the judged plays of a round on a suite, each with whether it passed."""
    columns = TrajectoryRow.id, TrajectoryRow.player, TrajectoryRow.policy, TrajectoryRow.task, TrajectoryRow.sample
    won = case((and_(True, *passed(required)), 1), else_=0).label("passed")
    return select(*columns, *MEASURED, _longest_turn(), won).where(
        TrajectoryRow.round == rnd.id,
        TrajectoryRow.purpose == Purpose.GATE,
        TrajectoryRow.suite == suite_id,
        verdicts_of(required) == len(required),
    )


def _longest_turn() -> Label[int]:
    """Count, in SQL, the answers of a trajectory's longest turn: under a rule of fewer steps it would have failed."""
    answers = func.count().label("answers")
    mine = MessageRow.trajectory == TrajectoryRow.id, MessageRow.role == "assistant"
    turns = select(answers).where(*mine).group_by(MessageRow.turn).correlate(TrajectoryRow).subquery()
    return select(func.coalesce(func.max(turns.c.answers), 0)).scalar_subquery().label("steps")


def _measures(row: AnyRow, *, timed: bool) -> dict[str, JsonValue]:
    measures: dict[str, JsonValue] = {"tokens": row.completion_tokens, "steps": row.steps}
    return measures | ({"seconds": row.seconds / max(1, row.requests)} if timed else {})


@reads(ScoreRow)
def _measures_of(row: AnyRow) -> dict[str, JsonValue]:
    return json_object(row.measures)


@reads(ScoreRow)
def _score(row: AnyRow) -> Score:
    if row.backends is None:
        raise LookupError(f"its task {row.task} is not in the store")
    return Score(
        task=row.task,
        backends=tuple(row.backends.split("+")),
        family=row.family,
        tier=row.tier,
        novelty=row.novelty,
        sample=row.sample,
        passed=bool(row.passed),
        measures=json_object(row.measures),
    )
