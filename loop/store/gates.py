"""Gate results, and pauses. What is decided on them: `loop.store.promotions`."""

from typing import Final

from sqlalchemy import Connection, delete, select

from loop.errors import LoopdError, NotFound
from loop.store.damage import reads, record
from loop.store.database import AnyRow, Database
from loop.store.doors import kept
from loop.store.rounds import Rounds
from loop.store.rows import Values, body
from loop.store.tables import GatePart as PartRow
from loop.store.tables import GatePause
from loop.store.tables import GateResult as GateRow
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Round as RoundRow
from loop.types import GatePart, GateResult, Round, Standing

ALL: Final = "all"
"""The name under which every gate is paused at once."""
LONGEST_NUMBER: Final = 9
"""Digits of a round's number at most; longer ones can only begin a policy's id."""


class Gates:
    """What the gates said, and which of them are paused."""

    def __init__(self, database: Database, rounds: Rounds) -> None:
        self._db = database
        self._rounds = rounds

    def save(self, rnd: Round, result: GateResult) -> None:
        """Keep a gate's latest judgement of the round's candidate.

        It counts beside the champion that it names, or the present one: a rollback may come while the gate measures.
        """
        with self._db.write() as connection:
            candidate, champion = self._contestants(connection, rnd)
            beside = result.champion or champion
            judged = result.model_copy(update={"candidate": candidate, "champion": beside})
            keep(self._db, connection, rnd, judged)

    def results(self, rnd: Round) -> tuple[GateResult, ...]:
        """Return the judgements of the round's candidate beside the champion that it met last, by gate."""
        met = select(GateRow).where(GateRow.round == rnd.id).order_by(GateRow.judged.desc(), GateRow.gate)
        with self._db.read() as connection:
            rows = connection.execute(met).all()
        latest = sorted((row for row in rows if row.champion == rows[0].champion), key=lambda row: str(row.gate))
        return tuple(_result(row) for row in latest)

    def latest(self, most: int) -> tuple[GateResult, ...]:
        """Return what gates said last, of any candidates, the newest first."""
        with self._db.read() as connection:
            rows = connection.execute(select(GateRow).order_by(GateRow.judged.desc(), GateRow.gate).limit(most)).all()
        return tuple(_result(row) for row in rows)

    def judged(self, begins: str = "") -> Round:
        """Look up a round whose candidate was judged: its number, the beginning of the candidate's id, or the latest.

        Raises:
            NotFound: no gate judged such a candidate.
        """
        latest = select(GateRow.round).order_by(GateRow.judged.desc(), GateRow.round.desc()).limit(1)
        number = [GateRow.round == int(begins)] if begins.isdecimal() and len(begins) <= LONGEST_NUMBER else []
        with self._db.read() as connection:
            for condition in (*number, GateRow.candidate.startswith(begins, autoescape=True)):
                round_number = connection.scalar(latest.where(condition))
                if round_number is not None:
                    return self._rounds.get(round_number)
        what = f"round or candidate '{begins}'" if begins else "candidate"
        raise NotFound(f"No gate has judged any {what}. List the judgements: loopd gate list")

    def met(self, candidate: str, champion: str) -> bool:
        """Whether a candidate was judged beside this champion."""
        query = select(GateRow.gate).where(GateRow.candidate == candidate, GateRow.champion == champion).limit(1)
        with self._db.read() as connection:
            return connection.scalar(query) is not None

    def last_round(self, policy_id: str) -> Round | None:
        """Return the round that judged a policy last, as its candidate; None where none did."""
        latest = select(GateRow.round).where(GateRow.candidate == policy_id).order_by(GateRow.judged.desc()).limit(1)
        with self._db.read() as connection:
            number = connection.scalar(latest)
        return None if number is None else self._rounds.get(number)

    def pause(self, gate: str, reason: str = "") -> None:
        """Pause one gate, or `all`: nothing is promoted until it is resumed. The last reason given counts."""
        with self._db.write() as connection:
            row = {"gate": gate, "reason": kept(reason), "paused": self._db.clock()}
            (self._db.upsert if reason else self._db.insert_once)(connection, GatePause, [row])

    def resume(self, gate: str) -> None:
        """Resume one gate; `all` resumes every one."""
        gone = delete(GatePause)
        with self._db.write() as connection:
            connection.execute(gone if gate == ALL else gone.where(GatePause.gate == gate))

    def paused(self) -> tuple[str, ...]:
        """Names of the paused gates."""
        with self._db.read() as connection:
            return paused(connection)

    def _contestants(self, connection: Connection, rnd: Round) -> tuple[str, str]:
        candidate = connection.scalar(select(RoundRow.candidate).where(RoundRow.id == rnd.id))
        champion = connection.scalar(select(PolicyRow.id).where(PolicyRow.standing == Standing.CHAMPION))
        if candidate is None or champion is None:
            raise LoopdError(f"Round {rnd.id} has no candidate, or there is no champion to judge it beside")
        return candidate, champion


@reads(GateRow)
def _result(row: AnyRow) -> GateResult:
    """Read a judgement back; who was judged is in the row, for older versions did not write it into the body."""
    result = record(GateResult, row.body)
    return result.model_copy(update={"candidate": row.candidate, "champion": row.champion})


def paused(connection: Connection) -> tuple[str, ...]:
    """Names of the paused gates, inside a transaction."""
    return tuple(connection.scalars(select(GatePause.gate).order_by(GatePause.gate)))


def keep(database: Database, connection: Connection, rnd: Round, result: GateResult) -> None:
    """Replace what a gate said of a candidate beside a champion, with every comparison, inside a transaction."""
    whose = {"candidate": result.candidate, "champion": result.champion, "gate": result.gate}
    columns = result.model_dump(include=set(GateRow.__table__.columns.keys())) | whose
    more = {"round": rnd.id, "judged": database.clock(), "improved": int(result.improved), "body": body(result)}
    database.upsert(connection, GateRow, [columns | more])
    connection.execute(delete(PartRow).where(*(getattr(PartRow, name) == item for name, item in whose.items())))
    parts = [whose | {"place": index, **_part(part)} for index, part in enumerate(result.parts)]
    database.insert_once(connection, PartRow, parts)


def _part(part: GatePart) -> Values:
    columns = part.model_dump(include=set(PartRow.__table__.columns.keys()))
    return columns | {"part": part.name, "decides": int(part.decides), "beside": part.beside or None}
