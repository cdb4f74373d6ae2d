"""The one place where a policy becomes champion (rule 5), and where a candidate is put aside."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import IntegrityError

from loop.errors import CheckNegative
from loop.store.damage import reads
from loop.store.database import AnyRow, Database
from loop.store.doors import kept
from loop.store.events import note
from loop.store.gates import paused
from loop.store.rounds import Rounds
from loop.store.rows import Values
from loop.store.tables import Decision
from loop.store.tables import GateResult as GateRow
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Promotion as PromotionRow
from loop.store.tables import Round as RoundRow
from loop.types import EXTERNAL, TWIN, GateVerdict, Promotion, Round, Standing

DECIDED: Final = "promotion.decided"
"""The kind of the event that every decision about a candidate is."""


class Promotions:
    """Every decision about who is champion."""

    def __init__(self, database: Database, rounds: Rounds) -> None:
        self._db = database
        self._rounds = rounds

    def decided(self, rnd: Round) -> Promotion | None:
        """Return what was decided on the round's candidate; None while that is open."""
        with self._db.read() as connection:
            candidate = connection.scalar(select(RoundRow.candidate).where(RoundRow.id == rnd.id))
            return None if candidate is None else self._decided(connection, rnd.id, candidate)

    def last(self, policy_id: str) -> Promotion | None:
        """Return what was decided on a policy last, by its gates or by hand; None where nothing was."""
        query = select(PromotionRow).where(PromotionRow.candidate == policy_id)
        judged = PromotionRow.decision.in_((Decision.PROMOTED, Decision.REJECTED))
        with self._db.read() as connection:
            row = connection.execute(query.where(judged).order_by(PromotionRow.id.desc()).limit(1)).first()
        return None if row is None else _decision(row)

    def attempts(self) -> int:
        """Number the candidate that is judged next: one more than were rejected since the last promotion.

        A rollback begins no new count.
        """
        earned = PromotionRow.decision.in_((Decision.FIRST, Decision.PROMOTED))
        crowned = select(func.max(PromotionRow.id)).where(earned).scalar_subquery()
        rejected = select(func.count()).where(PromotionRow.id > crowned, PromotionRow.decision == Decision.REJECTED)
        with self._db.read() as connection:
            return (connection.scalar(rejected) or 0) + 1

    def queued(self) -> tuple[Round, ...]:
        """Rounds that ended while a gate was paused: their candidates still wait for a decision."""
        decided = select(PromotionRow.round).where(PromotionRow.round.is_not(None))
        query = (
            select(RoundRow.id)
            .join(PolicyRow, PolicyRow.id == RoundRow.candidate)
            .where(RoundRow.state == "done", PolicyRow.standing == Standing.CANDIDATE, RoundRow.id.not_in(decided))
            .order_by(RoundRow.id)
        )
        with self._db.read() as connection:
            return tuple(self._rounds.get(number) for number in connection.scalars(query))

    def decide(
        self,
        rnd: Round,
        promotion: Promotion,
        gates: Sequence[str] | None = None,
        otherwise: Standing = Standing.REJECTED,
    ) -> Promotion:
        """End a round: crown its candidate and retire the champion, or put the candidate aside. One transaction.

        A round that was decided before gives that decision again. While a gate is paused nothing is decided: the
        candidate stays queued, and the answer says so.

        Args:
            rnd: the round.
            promotion: what was decided and why.
            gates: names of the gates that must hold; None for all that judged the candidate.
            otherwise: the candidate's place where it is not promoted: `rejected` or `specialist`.

        Raises:
            CheckNegative: it says promoted, but not every gate holds for exactly this candidate and champion.
        """
        with self._db.write() as connection:
            before = self._decided(connection, rnd.id, promotion.candidate)
            if before is not None:
                return before
            waiting = paused(connection)
            if waiting:
                waits = f"queued: paused gates: {', '.join(waiting)}. Resume: loopd gate resume {waiting[0]}"
                return promotion.model_copy(update={"promoted": False, "reason": waits})
            if promotion.promoted:
                self._crown(connection, rnd.id, promotion, gates)
            else:
                self._put_aside(connection, rnd, promotion, otherwise)
            note(self._db, connection, DECIDED, round=rnd.id, **promotion.model_dump())
        return promotion

    def promote(self, policy_id: str, reason: str, gates: Sequence[str] | None = None) -> Promotion:
        """Make a policy champion by hand: one that every gate holds for, better beyond doubt or not.

        Args:
            policy_id: `Policy.id`.
            reason: why.
            gates: names of the gates that must hold; None for all that judged it.

        Raises:
            CheckNegative: a gate is paused, or not every gate holds for it beside the present champion.
        """
        promotion = Promotion(candidate=policy_id, promoted=True, reason=reason)
        with self._db.write() as connection:
            waiting = paused(connection)
            if waiting:
                again = f"Resume: loopd gate resume {waiting[0]}"
                raise CheckNegative(f"Paused gates: {', '.join(waiting)}; nobody is promoted meanwhile. {again}")
            proposed = connection.scalar(select(func.max(RoundRow.id)).where(RoundRow.candidate == policy_id))
            done = proposed is not None and self._decided(connection, proposed, policy_id) is not None
            self._crown(connection, None if done else proposed, promotion, gates)
        return promotion

    def roll_back(self, policy_id: str, reason: str) -> Promotion:
        """Make an earlier champion champion again, at once.

        Raises:
            CheckNegative: it never was champion, or is it now.
        """
        with self._db.write() as connection:
            if connection.scalar(select(PolicyRow.standing).where(PolicyRow.id == policy_id)) == Standing.CHAMPION:
                raise CheckNegative(f"{policy_id[:12]} is champion already. List the policies: loopd model list")
            row = {"candidate": policy_id, "decision": Decision.ROLLBACK, "reason": kept(reason), "round": None}
            self._log(connection, row)
            self._swap(connection, policy_id)
        return Promotion(candidate=policy_id, promoted=True, reason=reason)

    def _decided(self, connection: Connection, rnd: int, candidate: str) -> Promotion | None:
        query = select(PromotionRow)
        row = connection.execute(query.where(PromotionRow.round == rnd, PromotionRow.candidate == candidate)).first()
        if row is None:
            return None
        return _decision(row)

    def _crown(
        self, connection: Connection, rnd: int | None, promotion: Promotion, gates: Sequence[str] | None
    ) -> None:
        champion = connection.scalar(select(PolicyRow.id).where(PolicyRow.standing == Standing.CHAMPION))
        if champion == promotion.candidate:
            raise CheckNegative(f"{promotion.candidate[:12]} is champion already. List the policies: loopd model list")
        beside = GateRow.candidate == promotion.candidate, GateRow.champion == champion
        judged = *beside, GateRow.gate.not_like(f"%{TWIN}"), GateRow.gate.not_like(f"%{EXTERNAL}")
        rows = connection.execute(select(GateRow.gate, GateRow.verdict).where(*judged)).all()
        held = {row.gate for row in rows if row.verdict == GateVerdict.HOLDS}
        missing = sorted({*(gates or ()), *(row.gate for row in rows)} - held)
        if missing or not held:
            why = f"{' and '.join(missing)} did not hold for it" if missing else "no gate judged it"
            who = f"Candidate {promotion.candidate[:12]}"
            raise CheckNegative(f"{who} cannot be promoted: {why} beside the present champion")
        row = {"round": rnd, "candidate": promotion.candidate, "champion": champion, "gates": len(held)}
        self._log(connection, row | {"decision": Decision.PROMOTED, "reason": kept(promotion.reason)})
        self._swap(connection, promotion.candidate)

    def _put_aside(self, connection: Connection, rnd: Round, promotion: Promotion, otherwise: Standing) -> None:
        champion = connection.scalar(select(PolicyRow.id).where(PolicyRow.standing == Standing.CHAMPION))
        row = {"round": rnd.id, "candidate": promotion.candidate, "champion": champion, "decision": Decision.REJECTED}
        self._log(connection, row | {"reason": kept(promotion.reason)})
        here = PolicyRow.id == promotion.candidate, PolicyRow.standing == Standing.CANDIDATE
        connection.execute(update(PolicyRow).where(*here).values(standing=otherwise, changed=self._db.clock()))

    def _log(self, connection: Connection, row: Values) -> None:
        values = {"gates": 0, "champion": None} | row | {"decided": self._db.clock()}
        try:
            connection.execute(self._db.insert(PromotionRow).values(**values))
        except IntegrityError as error:
            raise CheckNegative(f"The database refuses the decision: {error.orig}") from error

    def _swap(self, connection: Connection, policy_id: str) -> None:
        """Retire the champion and crown another; between the two statements nobody is champion."""
        now = self._db.clock()
        old = PolicyRow.standing == Standing.CHAMPION
        connection.execute(update(PolicyRow).where(old).values(standing=Standing.RETIRED, changed=now))
        new = update(PolicyRow).where(PolicyRow.id == policy_id)
        connection.execute(new.values(standing=Standing.CHAMPION, changed=now))


@reads(PromotionRow)
def _decision(row: AnyRow) -> Promotion:
    promoted = Decision(row.decision) is Decision.PROMOTED
    return Promotion(candidate=row.candidate, promoted=promoted, reason=row.reason)
