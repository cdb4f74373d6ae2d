"""Openings of sealed suites: which promotion owes one, and what came out."""

from collections.abc import Sequence

from sqlalchemy import func, select

from loop.store.gates import Gates
from loop.store.tables import Decision
from loop.store.tables import GateResult as GateRow
from loop.store.tables import Promotion as PromotionRow
from loop.types import GateResult, Record, Round


class Succession(Record):
    """One promotion: who became champion, and who was it before."""

    round: int
    """The round that judged it: its own, or an earlier one where it was done by hand."""
    champion: str
    before: str


class Openings(Gates):
    """What the sealed twins of the gates said. They decide nothing: the promotion stands before they are opened."""

    def unopened(self, gates: Sequence[str]) -> Succession | None:
        """Return the latest promotion if its champion still stands and not all of these gates' twins were judged.

        Args:
            gates: names under which the twins are judged.
        """
        crowned = PromotionRow.decision != Decision.REJECTED
        latest = select(PromotionRow).where(crowned).order_by(PromotionRow.id.desc()).limit(1)
        with self._read() as connection:
            row = connection.execute(latest).first()
            if row is None or row.decision != Decision.PROMOTED:
                return None
            pair = GateRow.candidate == row.candidate, GateRow.champion == row.champion
            judged = connection.scalars(select(GateRow.gate).where(*pair, GateRow.gate.in_(gates))).all()
            latest_round = connection.scalar(select(func.max(GateRow.round)).where(*pair))
        if not set(gates) - set(judged):
            return None
        return Succession(round=row.round or latest_round or 0, champion=row.candidate, before=row.champion)

    def save_opened(self, rnd: Round, results: Sequence[GateResult]) -> None:
        """Keep what the twins said of a promotion, all of it at once."""
        rows = [self._gate(rnd, result.candidate, result.champion, result) for result in results]
        with self._write() as connection:
            self._upsert(connection, GateRow, rows)
