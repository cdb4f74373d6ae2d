"""Owed work: plays, the trajectories that settle them, and the failures that do not."""

from collections.abc import Sequence

from sqlalchemy import Connection, Row, bindparam, case, func, select, update

from loop.canonical import NotJson
from loop.errors import FailureKind, NotFound
from loop.store.database import Database
from loop.store.doors import kept
from loop.store.rows import play_of, play_row, prompt_row
from loop.store.tables import Play as PlayRow
from loop.store.tables import PlayState, Prompt
from loop.store.tasks import Tasks
from loop.store.trajectories import Trajectories
from loop.types import End, Failure, Play, Purpose, Round, Task, Trajectory

UNKNOWN = Failure(kind=FailureKind.LOST, message="the play ended without a word")
SETTLE = (
    update(PlayRow)
    .where(PlayRow.id == bindparam("play"), PlayRow.state != PlayState.DONE)
    .values(state=bindparam("to"), ended=bindparam("now"))
)


class PlayRecords:
    """The plays. Owing the same play twice, or finishing it twice, changes nothing."""

    def __init__(self, database: Database, tasks: Tasks, trajectories: Trajectories, max_attempts: int) -> None:
        self._db = database
        self._tasks = tasks
        self._trajectories = trajectories
        self._max_attempts = max_attempts

    def planned(self, rnd: Round) -> bool:
        """Whether the student's training plays in a round have been decided on; lessons may be owed long before."""
        mine = PlayRow.round == rnd.id, PlayRow.purpose == Purpose.TRAIN, PlayRow.policy.is_not(None)
        query = select(PlayRow.id).where(*mine).limit(1)
        with self._db.read() as connection:
            return connection.scalar(query) is not None

    def owe(self, rnd: Round, tasks: Sequence[Task], plays: Sequence[Play]) -> None:
        """Owe plays, with their tasks; all of them or none.

        Raises:
            CheckNegative: a task's leak group is already used in another split.
        """
        with self._db.write() as connection:
            self._tasks.add(
                connection, list({task.id: task for task in (*tasks, *(play.task for play in plays))}.values())
            )
            first = connection.scalar(select(func.count()).where(PlayRow.round == rnd.id)) or 0
            self._db.insert_once(connection, Prompt, [prompt_row(system) for system in {play.system for play in plays}])
            rows = [play_row(play, first + index, self._db.clock()) for index, play in enumerate(plays)]
            self._db.insert_once(connection, PlayRow, rows)

    def owed(self, rnd: Round, purpose: Purpose = Purpose.TRAIN) -> list[Play]:
        """Plays still to be played, in the order in which they were owed."""
        query = (
            select(PlayRow, Prompt.content)
            .outerjoin(Prompt, Prompt.id == PlayRow.system)
            .where(PlayRow.round == rnd.id, PlayRow.purpose == purpose, PlayRow.state == PlayState.OWED)
            .order_by(PlayRow.position)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
            tasks = self._tasks.load(connection, [row.task for row in rows])
        return [play_of(row, tasks) for row in rows]

    def progress(self, rnd: Round, purpose: Purpose = Purpose.TRAIN) -> tuple[int, int]:
        """Plays that need nothing more, and all plays."""
        settled = func.coalesce(func.sum(case((PlayRow.state != PlayState.OWED, 1), else_=0)), 0)
        query = select(settled, func.count()).where(PlayRow.round == rnd.id, PlayRow.purpose == purpose)
        with self._db.read() as connection:
            done, total = connection.execute(query).one()
        return int(done), int(total)

    def finish(self, play: Play, trajectory: Trajectory) -> str | None:
        """Store what a play came to. Doing so twice is a no-op.

        A failure of a provider is recorded on the play, which stays owed until its attempts are spent. A trajectory
        that no database could hold (too long, too deep, NaN) is such a failure too: `bad_output`.

        Returns:
            The trajectory's id; None where there is no trajectory.

        Raises:
            NotFound: nobody owed this play.
        """
        if trajectory.end is End.FAILED:
            self._fail(play, trajectory.failure or UNKNOWN)
            return None
        try:
            spelled = self._trajectories.spell(play, trajectory)
        except NotJson as error:
            self._fail(play, Failure(kind=FailureKind.BAD_OUTPUT, message=str(error)))
            return None
        with self._db.write() as connection:
            settled = self._settle(connection, play, PlayState.DONE)
            if settled:
                self._trajectories.insert(connection, [spelled])
        if settled:
            self._trajectories.committed([spelled])
        return play.id

    def abandon(self, plays: Sequence[Play], reason: str) -> None:
        """Give up plays, so that the round goes on without them: every teacher is parked, say."""
        with self._db.write() as connection:
            for play in plays:
                gone = PlayRow.id == play.id, PlayRow.state == PlayState.OWED
                values = {"state": PlayState.DEAD, "failure_message": kept(reason), "ended": self._db.clock()}
                connection.execute(update(PlayRow).where(*gone).values(**values))

    def _settle(self, connection: Connection, play: Play, state: PlayState) -> bool:
        """Move a play to its end; false where it has a trajectory already."""
        if connection.execute(SETTLE, {"play": play.id, "to": state, "now": self._db.clock()}).rowcount:
            return True
        self._state(connection, play)
        return False

    def _state(self, connection: Connection, play: Play) -> Row[str, int]:
        row = connection.execute(select(PlayRow.state, PlayRow.attempts).where(PlayRow.id == play.id)).first()
        if row is None:
            raise NotFound(f"Play {play.id} is not owed")
        return row

    def _fail(self, play: Play, failure: Failure) -> None:
        with self._db.write() as connection:
            row = self._state(connection, play)
            if row.state != PlayState.OWED:
                return
            spent = row.attempts + 1 >= self._max_attempts
            values = {
                "state": PlayState.DEAD if spent else PlayState.OWED,
                "attempts": row.attempts + 1,
                "failure": failure.kind,
                "failure_message": kept(failure.message)[:2000],
                "retry_at": failure.retry_at,
                "ended": self._db.clock() if spent else None,
            }
            connection.execute(update(PlayRow).where(PlayRow.id == play.id).values(**values))
