"""Trajectories as they are read back: for checkers, for training, for people."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Exists, ScalarSelect, and_, func, or_, select

from loop.canonical import digest
from loop.errors import Damaged, NotFound
from loop.store import word_index
from loop.store.damage import DamagedRow, damaged, json_object, or_damage, reads, same, there
from loop.store.database import AnyRow, Database
from loop.store.rows import Spelled, Values, fingerprint, message_of, spell, trajectory_of, words_row
from loop.store.tables import Audit as AuditRow
from loop.store.tables import Catalogue as CatalogueRow
from loop.store.tables import Message as MessageRow
from loop.store.tables import Prompt, ToolCall, TrajectoryWords
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.tables import Verdict as VerdictRow
from loop.store.tasks import Tasks
from loop.types import (
    Accepted,
    Catalogue,
    Play,
    Purpose,
    Record,
    Round,
    Split,
    Task,
    Trajectory,
    Turn,
    TurnAttempt,
    Verdict,
)

Required = Sequence[tuple[str, int]]
"""Checkers by name and version."""
LeftOut = Callable[[str, Damaged], None]
"""Told of a trajectory, by its id, that is damaged and was left out."""
REMEMBERED: Final = 10_000
"""Ids of catalogues and prompts that are remembered at most."""


class Shown(Record):
    """One play with everything that is known about it."""

    id: str
    round: int
    task: Task
    trajectory: Trajectory
    verdicts: tuple[Verdict, ...]
    emptied: int | None = None
    """When its messages were deleted to make room, in microseconds since the epoch."""


class Trajectories:
    """The trajectories that were kept."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._db = database
        self._tasks = tasks
        self._stored: set[str] = set()  # ids of catalogues and prompts that are there and need not be sent again

    def get(self, trajectory_id: str) -> Shown:
        """Look one play up, by its id or the beginning of it.

        Raises:
            NotFound: no play, or more than one, begins like that.
        """
        begins = TrajectoryRow.id.startswith(trajectory_id, autoescape=True)
        with self._db.read() as connection:
            rows = connection.execute(select(TrajectoryRow).where(begins).limit(2)).all()
            if len(rows) != 1:
                reason = "more than one trajectory begins" if rows else "no trajectory begins"
                raise NotFound(f"{reason} with '{trajectory_id}'. List them: loopd trajectory list")
            task, trajectory = self.load(connection, rows)[0]
            verdicts = self._verdicts(connection, rows[0].id)
        return Shown(
            id=rows[0].id,
            round=rows[0].round,
            task=task,
            trajectory=trajectory,
            verdicts=verdicts,
            emptied=rows[0].emptied,
        )

    def accepted(
        self,
        required: Required,
        *,
        players: Iterable[str] | None = None,
        since: int | None = None,
        limit: int | None = None,
        left_out: LeftOut | None = None,
    ) -> Iterator[Accepted]:
        """Training plays that every required checker accepted at its current version, in the order of their ids.

        Args:
            required: checkers and versions that must have passed it.
            players: only plays of these.
            since: only plays of this round and later ones.
            limit: at most so many.
            left_out: told of every one that is damaged, and goes on without it; None raises `Damaged` there.
        """
        query = select(TrajectoryRow).where(
            TrajectoryRow.purpose == Purpose.TRAIN,
            TrajectoryRow.split == Split.TRAIN,
            TrajectoryRow.emptied.is_(None),
            *passed(required),
        )
        if players is not None:
            query = query.where(TrajectoryRow.player.in_(list(players)))
        if since is not None:
            query = query.where(TrajectoryRow.round >= since)
        trajectories = self._db.paged(query, TrajectoryRow.id, partial(self.accepted_of, left_out=left_out))
        return (
            trajectories
            if limit is None
            else (trajectory for _, trajectory in zip(range(limit), trajectories, strict=False))
        )

    def these(self, ids: Sequence[str], left_out: LeftOut | None = None) -> list[Accepted]:
        """Give trajectories by their ids, in this order.

        Args:
            ids: their ids.
            left_out: told of every one that is damaged, and goes on without it; None raises `Damaged` there.
        """
        with self._db.read() as connection:
            rows = connection.execute(select(TrajectoryRow).where(TrajectoryRow.id.in_(ids))).all()
            accepted = {accepted.id: accepted for accepted in self.accepted_of(connection, rows, left_out)}
        return [accepted[identity] for identity in ids if identity in accepted]

    def passed_with(self, catalogues: Sequence[str], limit: int) -> list[Accepted]:
        """Give the latest accepted plays and traces that were offered one of these catalogues, at most so many."""
        query = (
            select(TrajectoryRow)
            .where(TrajectoryRow.catalogue.in_(catalogues), TrajectoryRow.passed == 1, TrajectoryRow.emptied.is_(None))
            .order_by(TrajectoryRow.stored.desc(), TrajectoryRow.id)
            .limit(limit)
        )
        with self._db.read() as connection:
            return self.accepted_of(connection, connection.execute(query).all(), lambda *_: None)

    def asked(self, policy_id: str) -> Iterator[TurnAttempt]:
        """Give every turn that a policy's training plays came to, and whether it was right.

        What follows a wrong turn is left out, and so are plays that failed by no turn in particular.
        """
        query = select(TrajectoryRow).where(
            TrajectoryRow.policy == policy_id, TrajectoryRow.purpose == Purpose.TRAIN, TrajectoryRow.passed.is_not(None)
        )
        return self._db.paged(query, TrajectoryRow.id, self._asked)

    def unchecked(
        self, rnd: Round | None, checkers: Required, suite: str | None = None
    ) -> Iterator[tuple[str, Task, Trajectory, tuple[str, ...]]]:
        """Trajectories that lack a verdict of some checker at its version, and the names of those checkers.

        Args:
            rnd: only this round's; None for all.
            checkers: names and current versions.
            suite: only plays on the suite of this id; None for all.
        """
        query = select(TrajectoryRow).where(verdicts_of(checkers) < len(checkers), TrajectoryRow.emptied.is_(None))
        if suite is not None:
            query = query.where(TrajectoryRow.suite == suite)
        if rnd is not None:
            query = query.where(TrajectoryRow.round == rnd.id)

        def missing(
            connection: Connection, rows: Sequence[AnyRow]
        ) -> list[tuple[str, Task, Trajectory, tuple[str, ...]]]:
            lacking = self._lacking(connection, [row.id for row in rows], checkers)
            loaded = self.load(connection, rows)
            return [(row.id, *pair, lacking[row.id]) for row, pair in zip(rows, loaded, strict=True)]

        return self._db.paged(query, TrajectoryRow.id, missing)

    def spell(self, play: Play, trajectory: Trajectory) -> Spelled:
        """Turn a trajectory into rows, without the catalogue and the prompts that are known to be stored.

        Raises:
            NotJson: a message cannot be stored as canonical JSON of bounded size.
        """
        return spell(play, trajectory, self._db.clock(), self._stored)

    def insert(self, connection: Connection, spelled: Sequence[Spelled]) -> None:
        """Insert trajectories with all that belongs to them, inside a transaction."""
        once, each = self._db.insert_once, chain.from_iterable
        once(connection, CatalogueRow, _distinct(each(one.catalogues for one in spelled)))
        once(connection, Prompt, _distinct(each(one.prompts for one in spelled)))
        messages, calls = list(each(one.messages for one in spelled)), list(each(one.calls for one in spelled))
        for table, rows in (
            (TrajectoryRow, [one.trajectory for one in spelled]),
            (MessageRow, messages),
            (ToolCall, calls),
        ):
            if rows:
                connection.execute(self._db.insert(table), rows)
        word_index.add(connection, [one.words for one in spelled])

    def committed(self, spelled: Sequence[Spelled]) -> None:
        """Note, after the commit, which catalogues and prompts need not be sent again."""
        if len(self._stored) > REMEMBERED:
            self._stored.clear()
        self._stored.update(row["id"] for one in spelled for row in (*one.catalogues, *one.prompts))

    def _asked(self, connection: Connection, rows: Sequence[AnyRow]) -> list[TurnAttempt]:
        tasks = self._tasks.load(connection, [row.task for row in rows])
        wrong = _first_wrong_turns(connection, [row.id for row in rows])
        attempts: list[TurnAttempt] = []
        for row in rows:
            turns = _turns(row, tasks)
            end = len(turns) + 1 if row.passed else wrong.get(row.id, 0)
            attempts += [TurnAttempt(turn=turn, right=number < end) for number, turn in enumerate(turns[:end], 1)]
        return attempts

    def accepted_of(
        self, connection: Connection, rows: Sequence[AnyRow], left_out: LeftOut | None = None
    ) -> list[Accepted]:
        """Read what training needs of trajectories, inside a transaction; every digest is looked at.

        Args:
            connection: the transaction.
            rows: rows of `trajectory`.
            left_out: told of every one that is damaged, and goes on without it.

        Raises:
            Damaged: one is, and nobody asked to be told.
        """
        whole: list[Accepted] = []
        for row, trajectory in zip(rows, self._read(connection, rows, trained_on=True), strict=True):
            if not isinstance(trajectory, Damaged):
                whole.append(Accepted(id=row.id, task=trajectory[0], trajectory=trajectory[1]))
            elif left_out is None:
                raise trajectory
            else:
                left_out(row.id, trajectory)
        return whole

    def load(self, connection: Connection, rows: Sequence[AnyRow]) -> list[tuple[Task, Trajectory]]:
        """Read trajectories with their tasks, inside a transaction.

        Args:
            connection: the transaction.
            rows: rows of `trajectory`.

        Raises:
            Damaged: one of them is.
        """
        trajectories = self._read(connection, rows)
        for trajectory in trajectories:
            if isinstance(trajectory, Damaged):
                raise trajectory
        return [trajectory for trajectory in trajectories if not isinstance(trajectory, Damaged)]

    def _read(
        self, connection: Connection, rows: Sequence[AnyRow], *, trained_on: bool = False
    ) -> list[tuple[Task, Trajectory] | Damaged]:
        tasks = self._tasks.load(connection, [row.task for row in rows])
        catalogues = _catalogues(connection, {row.catalogue for row in rows})
        messages = _messages(connection, [row.id for row in rows])

        def build(row: AnyRow) -> tuple[Task, Trajectory]:
            said = messages.get(row.id, [])
            if trained_on and row.emptied is None:
                _check_digest(row, said)
            return _task_of(row, tasks), trajectory_of(row, catalogues, [message_of(word) for word in said])

        return [or_damage(build, row) for row in rows]

    def damages(self, connection: Connection, rows: Sequence[AnyRow]) -> list[DamagedRow]:
        """Say which trajectories are damaged, inside a transaction, or would be missed by a search for their words."""
        damages = [row for row in self._read(connection, rows, trained_on=True) if isinstance(row, DamagedRow)]
        spoiled = {damage.key for damage in damages}
        whole = [row.id for row in rows if row.emptied is None and row.id not in spoiled]
        return [*damages, *_misspelled(connection, whole)]

    def _lacking(self, connection: Connection, ids: Sequence[str], checkers: Required) -> dict[str, tuple[str, ...]]:
        query = select(VerdictRow.trajectory, VerdictRow.checker).where(VerdictRow.trajectory.in_(ids), _any(checkers))
        given = {(row.trajectory, row.checker) for row in connection.execute(query)}
        return {identity: tuple(name for name, _ in checkers if (identity, name) not in given) for identity in ids}

    def _verdicts(self, connection: Connection, trajectory_id: str) -> tuple[Verdict, ...]:
        query = select(VerdictRow).where(VerdictRow.trajectory == trajectory_id)
        rows = connection.execute(query.order_by(VerdictRow.checker, VerdictRow.version))
        return tuple(_verdict(row) for row in rows)


def _distinct(rows: Iterable[Values]) -> list[Values]:
    return list({row["id"]: row for row in rows}.values())


def _first_wrong_turns(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Say which turn of each play the verdicts found wrong first, counted from one, where they name one."""
    query = select(VerdictRow)
    first: dict[str, int] = {}
    for row in connection.execute(query.where(VerdictRow.trajectory.in_(ids), VerdictRow.passed == 0)):
        turn = evidence_of(row).get("turn")
        if isinstance(turn, int):
            first[row.trajectory] = min(turn, first.get(row.trajectory, turn))
    return first


def passed(required: Required) -> list[ColumnElement[bool]]:
    """Say, in SQL, that every required checker passed a trajectory at its version, and no audit is against it."""
    of = VerdictRow.trajectory == TrajectoryRow.id, VerdictRow.passed == 1
    return [select(VerdictRow.passed).where(*of, _one(checker)).exists() for checker in required] + [~refused()]


def refused() -> Exists:
    """Say, in SQL, that an audit found that a win does not hold."""
    return select(AuditRow.passed).where(AuditRow.trajectory == TrajectoryRow.id, AuditRow.passed == 0).exists()


def verdicts_of(checkers: Required) -> ScalarSelect[int]:
    """Count, in SQL, the verdicts of these checkers at their versions on a trajectory."""
    return select(func.count()).where(VerdictRow.trajectory == TrajectoryRow.id, _any(checkers)).scalar_subquery()


def _one(checker: tuple[str, int]) -> ColumnElement[bool]:
    return and_(VerdictRow.checker == checker[0], VerdictRow.version == checker[1])


def _any(checkers: Required) -> ColumnElement[bool]:
    return or_(False, *(_one(checker) for checker in checkers))


def _catalogues(connection: Connection, ids: set[str]) -> dict[str, Catalogue | Damaged]:
    rows = connection.execute(select(CatalogueRow.id, CatalogueRow.body).where(CatalogueRow.id.in_(sorted(ids))))
    return {row.id: or_damage(catalogue_of, row) for row in rows}


def _messages(connection: Connection, ids: Sequence[str]) -> dict[str, list[AnyRow]]:
    """Select messages with their system prompts, by trajectory."""
    query = (
        select(MessageRow, Prompt.content.label("system"))
        .outerjoin(Prompt, Prompt.id == MessageRow.prompt)
        .where(MessageRow.trajectory.in_(ids))
        .order_by(MessageRow.trajectory, MessageRow.place)
    )
    messages: dict[str, list[AnyRow]] = {}
    for row in connection.execute(query):
        messages.setdefault(row.trajectory, []).append(row)
    return messages


def _misspelled(connection: Connection, ids: Sequence[str]) -> Iterator[DamagedRow]:
    """Find plays whose words are not those of their messages and calls."""
    query = select(TrajectoryWords.trajectory, TrajectoryWords.words).where(TrajectoryWords.trajectory.in_(ids))
    stored = {row.trajectory: row.words for row in connection.execute(query)}
    said = _messages(connection, ids)
    calls: dict[str, list[tuple[str, str]]] = {}
    made = select(ToolCall.trajectory, ToolCall.tool, ToolCall.arguments).where(ToolCall.trajectory.in_(ids))
    for row in connection.execute(made.order_by(ToolCall.trajectory, ToolCall.place)):
        calls.setdefault(row.trajectory, []).append((row.tool, row.arguments))
    for name in ids:
        words = words_row(name, [row.content for row in said.get(name, ())], calls.get(name, ()))["words"]
        if set(stored.get(name, "").split()) != set(words.split()):
            yield damaged("trajectory_words", name, "its words are not those of its play: a search misses it")


@reads(CatalogueRow)
def catalogue_of(row: AnyRow) -> Catalogue:
    """One row of `catalogue`, as a record."""
    catalogue = Catalogue.model_validate_json(row.body)
    same(catalogue.id, row.id)
    return catalogue


@reads(TrajectoryRow)
def _task_of(row: AnyRow, tasks: Mapping[str, Task | Damaged]) -> Task:
    return there(tasks, row.task, "task")


@reads(TrajectoryRow)
def _turns(row: AnyRow, tasks: Mapping[str, Task | Damaged]) -> tuple[Turn, ...]:
    return there(tasks, row.task, "task").turns


@reads(TrajectoryRow)
def _check_digest(row: AnyRow, messages: Sequence[AnyRow]) -> None:
    """Hold what would be trained on to what was stored: messages, and the system prompts that they name.

    Raises:
        Damaged: they differ.
    """
    if fingerprint([message._asdict() for message in messages]) != row.digest:
        raise ValueError("its messages are not those that were stored: their digest differs")
    for message in messages:
        if message.prompt is not None and (message.system is None or digest(message.system) != message.prompt):
            raise ValueError(f"its system prompt {message.prompt:.64} is not the one that was stored")


@reads(VerdictRow)
def evidence_of(row: AnyRow) -> dict[str, JsonValue]:
    """Read the evidence of a row of `verdict`."""
    return json_object(row.evidence)


@reads(VerdictRow)
def _verdict(row: AnyRow) -> Verdict:
    return Verdict(
        checker=row.checker,
        version=row.version,
        passed=bool(row.passed),
        score=row.score,
        reason=row.reason,
        evidence=evidence_of(row),
    )
