"""Rounds: opened, entered and moved on."""

from typing import Final

from pydantic import JsonValue
from sqlalchemy import Connection, case, func, select, update

from loop.errors import LoopdError, NotFound
from loop.store.damage import reads
from loop.store.database import AnyRow, Database
from loop.store.doors import kept
from loop.store.events import note
from loop.store.tables import Round as RoundRow
from loop.store.tables import StageTime
from loop.types import MOVES, Round, RoundState, Spent

ENDED = (RoundState.DONE, RoundState.FAILED)
WAITS = (RoundRow.state == RoundState.SAMPLE) & (RoundRow.attempts == 0)
"""A round that is opened and not begun."""
UNFINISHED = (
    select(RoundRow).where(RoundRow.state.not_in(ENDED)).order_by(case((WAITS, 1), else_=0), RoundRow.id).limit(1)
)
"""The round to go on with: the oldest that has not ended; one that is not begun comes last."""
NO_TIME: Final = Spent()
MOVED: Final = "round.moved"
"""The event of a move: round, from, to, and the move's own reason."""


class Rounds:
    """The rounds, each a row whose state moves only as `MOVES` allows."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def open(self, config: str, seed: int) -> Round:
        """Return the unfinished round, or begin a new one.

        Args:
            config: digest of the configuration; a changed one starts with the next round.
            seed: what a new round's sampling is drawn from.
        """
        with self._db.write() as connection:
            row = connection.execute(UNFINISHED).first()
            if row:
                return _round(row)
            rnd = Round(id=self.next_number(connection), state=RoundState.SAMPLE, seed=seed, config=config)
            self.begin(connection, rnd)
        return rnd

    def opened_after(self, rnd: Round) -> Round | None:
        """Return the round that was opened after this one and is not begun."""
        query = select(RoundRow).where(WAITS, RoundRow.id > rnd.id).order_by(RoundRow.id).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _round(row)

    def open_after(self, rnd: Round, config: str, seed: int) -> Round:
        """Open the round after this one before its turn, so that plays can be owed to it; once.

        Args:
            rnd: the round that goes on meanwhile.
            config: digest of the configuration.
            seed: what its sampling is drawn from.
        """
        if (opened := self.opened_after(rnd)) is not None:
            return opened
        with self._db.write() as connection:
            fresh = Round(id=self.next_number(connection), state=RoundState.SAMPLE, seed=seed, config=config)
            self.begin(connection, fresh)
        return fresh

    def unfinished(self) -> Round | None:
        """Return the round that `open` would go on with; None where it would begin one."""
        with self._db.read() as connection:
            row = connection.execute(UNFINISHED).first()
        return None if row is None else _round(row)

    def proposed(self, rnd: Round) -> bool:
        """Whether a round began at its gates, with a candidate that needed no training: it never had a dataset."""
        query = select(RoundRow.candidate, RoundRow.dataset).where(RoundRow.id == rnd.id)
        with self._db.read() as connection:
            row = connection.execute(query).one()
        return row.candidate is not None and row.dataset is None

    def begun(self, rnd: Round) -> int:
        """Say when a round began, in microseconds since the epoch."""
        with self._db.read() as connection:
            return connection.execute(select(RoundRow.started).where(RoundRow.id == rnd.id)).scalar_one()

    def get(self, number: int) -> Round:
        """Look a round up.

        Raises:
            NotFound: there is no such round.
        """
        with self._db.read() as connection:
            row = connection.execute(select(RoundRow).where(RoundRow.id == number)).first()
        if row is None:
            raise NotFound(f"There is no round {number}. See: loopd status")
        return _round(row)

    def all(self) -> tuple[Round, ...]:
        """Every round, the oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(select(RoundRow).where(RoundRow.id > 0).order_by(RoundRow.id)).all()
        return tuple(_round(row) for row in rows)

    def advance(self, rnd: Round, to: RoundState, reason: str | None = None, spent: Spent = NO_TIME) -> Round:
        """Move a round on: compare and set, so that of two who try, one is refused. The move is an event.

        Args:
            rnd: the round where the caller saw it.
            to: where it goes.
            reason: why.
            spent: how the time since it was entered was spent.

        Raises:
            ValueError: `MOVES` has no such move.
            LoopdError: the round is no longer where the caller saw it.
        """
        if to not in MOVES[rnd.state]:
            raise ValueError(f"a round never moves from {rnd.state} to {to}")
        moved = rnd.moved(to)
        why = rnd.reason if reason is None else kept(reason)
        with self._db.write() as connection:
            moved = self._set(connection, rnd, moved.model_copy(update={"reason": why}))
            facts: dict[str, JsonValue] = {"round": rnd.id, "from": rnd.state, "to": to, "reason": reason}
            note(self._db, connection, MOVED, **facts)
            self._leave(connection, rnd, spent)
        return moved

    def enter(self, rnd: Round) -> Round:
        """Count one more entry of the present stage.

        Raises:
            LoopdError: the round is no longer where the caller saw it.
        """
        now = self._db.clock()
        begun = {"started": now} if rnd.state is RoundState.SAMPLE and not rnd.attempts else {}
        with self._db.write() as connection:
            entered = self._set(connection, rnd, rnd.model_copy(update={"attempts": rnd.attempts + 1}), **begun)
            stay = {"round": rnd.id, "stage": rnd.state, "entered": now, "worked": 0, "waited": 0}
            connection.execute(self._db.insert(StageTime).values(**stay))
        return entered

    def next_number(self, connection: Connection) -> int:
        """Number the next round, inside a transaction."""
        return (connection.scalar(select(func.max(RoundRow.id))) or 0) + 1

    def begin(self, connection: Connection, rnd: Round) -> None:
        """Insert a new round, inside a transaction."""
        now, values = self._db.clock(), rnd.model_dump(include={"id", "state", "seed", "config", "attempts"})
        connection.execute(self._db.insert(RoundRow).values(**values, started=now, changed=now))

    def _leave(self, connection: Connection, rnd: Round, spent: Spent) -> None:
        """Note the end of the round's latest stay in its stage."""
        stays = StageTime.round == rnd.id, StageTime.stage == rnd.state
        latest = select(func.max(StageTime.id)).where(*stays).scalar_subquery()
        values = {"ended": self._db.clock(), **spent.model_dump()}
        connection.execute(update(StageTime).where(StageTime.id == latest).values(**values))

    def _set(self, connection: Connection, seen: Round, wanted: Round, **also: int) -> Round:
        here = (RoundRow.id == seen.id) & (RoundRow.state == seen.state)
        values = {"state": wanted.state, "attempts": wanted.attempts, "reason": wanted.reason, **also}
        change = update(RoundRow).where(here).values(**values, changed=self._db.clock())
        if connection.execute(change).rowcount != 1:
            raise LoopdError(f"Round {seen.id} is no longer in {seen.state}: another loopd moved it")
        return wanted


@reads(RoundRow)
def _round(row: AnyRow) -> Round:
    return Round(id=row.id, state=row.state, seed=row.seed, config=row.config, attempts=row.attempts, reason=row.reason)
