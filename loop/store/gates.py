"""Gate results, pauses, and the one place where a policy becomes champion (rule 5)."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnClause, Connection, column, delete, func, select, table, update
from sqlalchemy.exc import IntegrityError

from loop.errors import CheckNegative, LoopdError, NotFound
from loop.store.base import AnyRow
from loop.store.doors import kept
from loop.store.policies import Policies
from loop.store.rows import Values, body
from loop.store.tables import Decision, GatePause
from loop.store.tables import GateResult as GateRow
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Promotion as PromotionRow
from loop.store.tables import Round as RoundRow
from loop.types import TWIN, GateResult, GateVerdict, Promotion, Round, Standing, Transfer

ALL: Final = "all"
"""The name under which every gate is paused at once."""
LONGEST_NUMBER: Final = 9
"""Digits of a round's number at most; longer ones can only begin a policy's id."""
REFUSED: Final = "loopd: refused"
"""How every refusal by a trigger begins (`migrations/versions/0002_refusals.py`)."""


class Gates(Policies):
    """The gates' results and what was decided on them."""

    def save_gate(self, rnd: Round, result: GateResult) -> None:
        """Keep a gate's latest judgement of the round's candidate.

        It counts beside the champion that it names, or the present one: a rollback may come while the gate measures.
        """
        with self._write() as connection:
            candidate, champion = self._contestants(connection, rnd)
            self._upsert(connection, GateRow, [self._gate(rnd, candidate, result.champion or champion, result)])

    def gate_results(self, rnd: Round) -> tuple[GateResult, ...]:
        """Return the judgements of the round's candidate beside the champion that it met last, by gate."""
        met = select(GateRow).where(GateRow.round == rnd.id).order_by(GateRow.judged.desc(), GateRow.gate)
        with self._read() as connection:
            rows = connection.execute(met).all()
        latest = sorted((row for row in rows if row.champion == rows[0].champion), key=lambda row: str(row.gate))
        return tuple(_told(row) for row in latest)

    def judged(self, begins: str = "") -> Round:
        """Look up a round whose candidate was judged: its number, the beginning of the candidate's id, or the latest.

        Raises:
            NotFound: no gate judged such a candidate.
        """
        latest = select(GateRow.round).order_by(GateRow.judged.desc(), GateRow.round.desc()).limit(1)
        number = [GateRow.round == int(begins)] if begins.isdecimal() and len(begins) <= LONGEST_NUMBER else []
        with self._read() as connection:
            for condition in (*number, GateRow.candidate.startswith(begins, autoescape=True)):
                found = connection.scalar(latest.where(condition))
                if found is not None:
                    return self.round(found)
        what = f"round or candidate '{begins}'" if begins else "candidate"
        raise NotFound(f"No gate has judged any {what}. List the judgements: loopd gate list")

    def decided(self, rnd: Round) -> Promotion | None:
        """Return what was decided on the round's candidate; None while that is open."""
        with self._read() as connection:
            candidate = connection.scalar(select(RoundRow.candidate).where(RoundRow.id == rnd.id))
            return None if candidate is None else self._decided(connection, rnd.id, candidate)

    def round_judging(self, policy_id: str) -> Round | None:
        """Return the round that judged a policy last, as its candidate; None where none did."""
        latest = select(GateRow.round).where(GateRow.candidate == policy_id).order_by(GateRow.judged.desc()).limit(1)
        with self._read() as connection:
            found = connection.scalar(latest)
        return None if found is None else self.round(found)

    def last_decided(self, policy_id: str) -> Promotion | None:
        """Return what was decided on a policy last, by its gates or by hand; None where nothing was."""
        query = select(PromotionRow.decision, PromotionRow.reason).where(PromotionRow.candidate == policy_id)
        judged = PromotionRow.decision.in_((Decision.PROMOTED, Decision.REJECTED))
        with self._read() as connection:
            row = connection.execute(query.where(judged).order_by(PromotionRow.id.desc()).limit(1)).first()
        return None if row is None else _decision(policy_id, row)

    def transfer(self, policy_id: str) -> tuple[Transfer, ...]:
        """Say what a policy's training did to every backend that was measured, the greatest loss first."""
        columns: list[ColumnClause[Any]] = [column(name) for name in Transfer.model_fields]
        query = select(*columns).select_from(table("v_transfer")).where(column("policy") == policy_id)
        with self._read() as connection:
            rows = connection.execute(query).all()
        found = [Transfer.model_validate(dict(row._mapping)) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name
        return tuple(
            sorted(found, key=lambda each: (each.difference or 0.0, each.evaluated_backend, each.trained_backend))
        )

    def attempts(self) -> int:
        """Number the candidate that is judged next: one more than were rejected since the present champion came."""
        crowned = select(func.max(PromotionRow.id)).where(PromotionRow.decision != Decision.REJECTED).scalar_subquery()
        rejected = select(func.count()).where(PromotionRow.id > crowned)
        with self._read() as connection:
            return (connection.scalar(rejected) or 0) + 1

    def pause_gate(self, gate: str, reason: str = "") -> None:
        """Pause one gate, or `all`: nothing is promoted until it is resumed. The last reason given counts."""
        with self._write() as connection:
            row = {"gate": gate, "reason": kept(reason), "paused": self._clock()}
            (self._upsert if reason else self._insert_once)(connection, GatePause, [row])

    def resume_gate(self, gate: str) -> None:
        """Resume one gate; `all` resumes every one."""
        gone = delete(GatePause)
        with self._write() as connection:
            connection.execute(gone if gate == ALL else gone.where(GatePause.gate == gate))

    def paused_gates(self) -> tuple[str, ...]:
        """Names of the paused gates."""
        with self._read() as connection:
            return tuple(connection.scalars(select(GatePause.gate).order_by(GatePause.gate)))

    def queued(self) -> tuple[Round, ...]:
        """Rounds that ended while a gate was paused: their candidates still wait for a decision."""
        decided = select(PromotionRow.round).where(PromotionRow.round.is_not(None))
        query = (
            select(RoundRow.id)
            .join(PolicyRow, PolicyRow.id == RoundRow.candidate)
            .where(RoundRow.state == "done", PolicyRow.standing == Standing.CANDIDATE, RoundRow.id.not_in(decided))
            .order_by(RoundRow.id)
        )
        with self._read() as connection:
            return tuple(self.round(number) for number in connection.scalars(query))

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
        with self._write() as connection:
            before = self._decided(connection, rnd.id, promotion.candidate)
            if before is not None:
                return before
            paused = connection.scalars(select(GatePause.gate).order_by(GatePause.gate)).all()
            if paused:
                waits = f"queued: paused gates: {', '.join(paused)}. Resume: loopd gate resume {paused[0]}"
                return promotion.model_copy(update={"promoted": False, "reason": waits})
            if promotion.promoted:
                self._crown(connection, rnd.id, promotion, gates)
            else:
                self._put_aside(connection, rnd, promotion, otherwise)
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
        with self._write() as connection:
            paused = connection.scalars(select(GatePause.gate).order_by(GatePause.gate)).all()
            if paused:
                again = f"Resume: loopd gate resume {paused[0]}"
                raise CheckNegative(f"Paused gates: {', '.join(paused)}; nobody is promoted meanwhile. {again}")
            proposed = connection.scalar(select(func.max(RoundRow.id)).where(RoundRow.candidate == policy_id))
            done = proposed is not None and self._decided(connection, proposed, policy_id) is not None
            self._crown(connection, None if done else proposed, promotion, gates)
        return promotion

    def roll_back(self, policy_id: str, reason: str) -> Promotion:
        """Make an earlier champion champion again, at once.

        Raises:
            CheckNegative: it never was champion, or is it now.
        """
        with self._write() as connection:
            if connection.scalar(select(PolicyRow.standing).where(PolicyRow.id == policy_id)) == Standing.CHAMPION:
                raise CheckNegative(f"{policy_id[:12]} is champion already. List the policies: loopd model list")
            row = {"candidate": policy_id, "decision": Decision.ROLLBACK, "reason": kept(reason), "round": None}
            self._log(connection, row)
            self._swap(connection, policy_id)
        return Promotion(candidate=policy_id, promoted=True, reason=reason)

    def _contestants(self, connection: Connection, rnd: Round) -> tuple[str, str]:
        candidate = connection.scalar(select(RoundRow.candidate).where(RoundRow.id == rnd.id))
        champion = connection.scalar(select(PolicyRow.id).where(PolicyRow.standing == Standing.CHAMPION))
        if candidate is None or champion is None:
            raise LoopdError(f"Round {rnd.id} has no candidate, or there is no champion to judge it beside")
        return candidate, champion

    def _gate(self, rnd: Round, candidate: str, champion: str, result: GateResult) -> Values:
        told = result.model_dump(include=set(GateRow.__table__.columns.keys()))
        who = {"round": rnd.id, "candidate": candidate, "champion": champion, "judged": self._clock()}
        return told | who | {"improved": int(result.improved), "body": body(result)}

    def _decided(self, connection: Connection, rnd: int, candidate: str) -> Promotion | None:
        query = select(PromotionRow.decision, PromotionRow.reason)
        row = connection.execute(query.where(PromotionRow.round == rnd, PromotionRow.candidate == candidate)).first()
        if row is None:
            return None
        return _decision(candidate, row)

    def _crown(
        self, connection: Connection, rnd: int | None, promotion: Promotion, gates: Sequence[str] | None
    ) -> None:
        champion = connection.scalar(select(PolicyRow.id).where(PolicyRow.standing == Standing.CHAMPION))
        if champion == promotion.candidate:
            raise CheckNegative(f"{promotion.candidate[:12]} is champion already. List the policies: loopd model list")
        beside = GateRow.candidate == promotion.candidate, GateRow.champion == champion
        judged = *beside, GateRow.gate.not_like(f"%{TWIN}")
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
        connection.execute(update(PolicyRow).where(*here).values(standing=otherwise, changed=self._clock()))

    def _log(self, connection: Connection, row: Values) -> None:
        values = {"gates": 0, "champion": None} | row | {"decided": self._clock()}
        try:
            connection.execute(self._insert(PromotionRow).values(**values))
        except IntegrityError as error:
            raise CheckNegative(f"The database refuses the decision: {error.orig}") from error

    def _swap(self, connection: Connection, policy_id: str) -> None:
        """Retire the champion and crown another; between the two statements nobody is champion."""
        now = self._clock()
        old = PolicyRow.standing == Standing.CHAMPION
        connection.execute(update(PolicyRow).where(old).values(standing=Standing.RETIRED, changed=now))
        new = update(PolicyRow).where(PolicyRow.id == policy_id)
        connection.execute(new.values(standing=Standing.CHAMPION, changed=now))


def _decision(candidate: str, row: AnyRow) -> Promotion:
    return Promotion(candidate=candidate, promoted=row.decision == Decision.PROMOTED, reason=row.reason)


def _told(row: AnyRow) -> GateResult:
    """Read a judgement back; who was judged is in the row, for older versions did not write it into the body."""
    found = GateResult.model_validate_json(row.body)
    return found.model_copy(update={"candidate": row.candidate, "champion": row.champion})
