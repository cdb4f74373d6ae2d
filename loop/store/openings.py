"""Openings of sealed suites: which promotion owes one, and what came out."""

from collections.abc import Sequence

from sqlalchemy import func, select

from loop.store.damage import reads
from loop.store.database import AnyRow, Database
from loop.store.gates import keep
from loop.store.tables import Decision, Opening
from loop.store.tables import GateResult as GateRow
from loop.store.tables import Promotion as PromotionRow
from loop.types import GateResult, Record, Round


class Succession(Record):
    """One promotion: who became champion, and who was it before."""

    round: int
    """The round that judged it: its own, or an earlier one where it was done by hand."""
    champion: str
    before: str


class Openings:
    """What the sealed twins of the gates said. They decide nothing: the promotion stands before they are opened."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def owed(self, gates: Sequence[str]) -> Succession | None:
        """Return the latest promotion if its champion still stands and not all of these gates' twins were judged.

        Args:
            gates: names under which the twins are judged.
        """
        crowned = PromotionRow.decision != Decision.REJECTED
        latest = select(PromotionRow).where(crowned).order_by(PromotionRow.id.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(latest).first()
            if row is None or row.decision != Decision.PROMOTED:
                return None
            pair = GateRow.candidate == row.candidate, GateRow.champion == row.champion
            judged = connection.scalars(select(GateRow.gate).where(*pair, GateRow.gate.in_(gates))).all()
            latest_round = connection.scalar(select(func.max(GateRow.round)).where(*pair))
        if not set(gates) - set(judged):
            return None
        return _succession(row, latest_round or 0)

    def save(self, rnd: Round, results: Sequence[GateResult]) -> None:
        """Keep what the twins said of a promotion, all of it at once."""
        with self._db.write() as connection:
            for result in results:
                keep(self._db, connection, rnd, result)

    def note(self, rnd: Round, suite_id: str, policy_id: str) -> None:
        """Count one opening of a sealed suite; the same opening is counted once."""
        row = {"suite": suite_id, "policy": policy_id, "round": rnd.id, "opened": self._db.clock()}
        with self._db.write() as connection:
            self._db.insert_once(connection, Opening, [row])

    def count(self, suite_id: str) -> int:
        """How often a sealed suite was opened."""
        with self._db.read() as connection:
            return connection.scalar(select(func.count()).where(Opening.suite == suite_id)) or 0


@reads(PromotionRow)
def _succession(row: AnyRow, latest_round: int) -> Succession:
    return Succession(round=row.round or latest_round, champion=row.candidate, before=row.champion)
