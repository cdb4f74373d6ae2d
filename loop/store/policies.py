"""Policies and their places. Who becomes champion is decided in `loop.store.promotions`."""

from typing import Any, Final

from sqlalchemy import ColumnClause, ColumnElement, Connection, column, select, table, update

from loop.canonical import clean, digest
from loop.errors import CheckNegative, NotFound
from loop.store.damage import reads, record, same
from loop.store.database import AnyRow, AnySelect, Database
from loop.store.rounds import Rounds
from loop.store.rows import Values, part, prompt_row
from loop.store.tables import Decision, Promotion, Prompt
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Round as RoundRow
from loop.store.tables import Topics as TopicsRow
from loop.types import Policy, Precision, Round, RoundState, Routing, Standing, Transfer

AGAIN: Final = (Standing.REJECTED, Standing.RETIRED, Standing.SPECIALIST)
"""Who may be a candidate again."""


class Policies:
    """The policies. One champion at most; the first is crowned here, every later one by its gates."""

    def __init__(self, database: Database, rounds: Rounds) -> None:
        self._db = database
        self._rounds = rounds

    def add(
        self,
        policy: Policy,
        standing: Standing,
        round: Round | None = None,  # noqa: A002 - a round's word everywhere
    ) -> Policy:
        """Keep a policy. Doing so twice is a no-op.

        Args:
            policy: what to keep; its parent must be there already.
            standing: `champion` only for the very first; a later champion is made by `decide` or `roll_back`.
            round: the round whose candidate it is.

        Raises:
            sqlalchemy.exc.IntegrityError: a second champion, or an unknown parent.
        """
        with self._db.write() as connection:
            self._db.insert_once(connection, Prompt, [prompt_row(policy.system)])
            self._db.insert_once(connection, PolicyRow, [self._policy_row(policy, standing, round)])
            if standing is Standing.CHAMPION:
                self._crown_first(connection, policy)
            if round is not None:
                self._propose(connection, policy, round)
        return policy

    def keep_topics(self, body: str) -> str:
        """Keep what a routed set reads requests by. Doing so twice is a no-op. Returns its digest.

        Args:
            body: canonical JSON.
        """
        key = digest(body)
        with self._db.write() as connection:
            self._db.insert_once(connection, TopicsRow, [{"id": key, "body": body, "added": self._db.clock()}])
        return key

    def topics(self, key: str) -> str:
        """Give what a routed set reads requests by: canonical JSON.

        Raises:
            NotFound: it is not there.
        """
        with self._db.read() as connection:
            row = connection.execute(select(TopicsRow).where(TopicsRow.id == key)).first()
        if row is None:
            raise NotFound(f"There are no topics {key[:12]}, which a routed set names. Look: loopd fsck")
        return topics_of(row)

    def propose(self, policy: Policy, config: str, seed: int) -> int:
        """Queue a policy that needs no training: a round that begins at its gates. Returns the round's number.

        Proposing what still waits to be judged is a no-op.

        Args:
            policy: what to judge; its parent must be there already.
            config: digest of the configuration.
            seed: the configuration's.

        Raises:
            CheckNegative: it is champion.
        """
        decided = select(Promotion.round).where(Promotion.round.is_not(None))
        waits = RoundRow.state != RoundState.FAILED, RoundRow.id.not_in(decided)
        open_still = RoundRow.candidate == policy.id, *waits
        with self._db.write() as connection:
            waiting = connection.scalar(select(RoundRow.id).where(*open_still))
            if waiting is not None:
                return waiting
            if connection.scalar(select(PolicyRow.standing).where(PolicyRow.id == policy.id)) == Standing.CHAMPION:
                raise CheckNegative(f"{policy.id[:12]} is champion already. List the policies: loopd model list")
            rnd = Round(id=self._rounds.next_number(connection), state=RoundState.GATE, seed=seed, config=config)
            self._db.insert_once(connection, Prompt, [prompt_row(policy.system)])
            self._db.insert_once(connection, PolicyRow, [self._policy_row(policy, Standing.CANDIDATE, rnd)])
            self._rounds.begin(connection, rnd)
            self._propose(connection, policy, rnd)
        return rnd.id

    def champion(self) -> Policy | None:
        """Return the present champion."""
        return self._policy(PolicyRow.standing == Standing.CHAMPION)

    def candidate(self, rnd: Round) -> Policy | None:
        """Return the policy that a round proposed, whatever became of it."""
        return self._policy(PolicyRow.id == select(RoundRow.candidate).where(RoundRow.id == rnd.id).scalar_subquery())

    def get(self, policy_id: str) -> Policy:
        """Look a policy up.

        Raises:
            NotFound: there is no such policy.
        """
        policy = self._policy(PolicyRow.id == policy_id)
        if policy is None:
            raise NotFound(f"There is no policy {policy_id}. List them: loopd model list")
        return policy

    def find(self, begins: str) -> Policy:
        """Look a policy up as people name it: `champion`, or the beginning of its id.

        Raises:
            NotFound: no policy, or more than one, begins so.
        """
        champion = self.champion() if begins == "champion" else None
        matches = [champion] if champion else [policy for policy, _ in self.all() if policy.id.startswith(begins)]
        if len(matches) != 1:
            raise NotFound(f"{len(matches)} policies begin with '{begins}'. List them: loopd model list")
        return matches[0]

    def standing(self, policy_id: str) -> Standing:
        """Tell a policy's place.

        Raises:
            NotFound: there is no such policy.
        """
        with self._db.read() as connection:
            row = connection.execute(select(PolicyRow).where(PolicyRow.id == policy_id)).first()
        if row is None:
            raise NotFound(f"There is no policy {policy_id}. List them: loopd model list")
        return _standing(row)

    def all(self) -> tuple[tuple[Policy, Standing], ...]:
        """Every policy with its place, the oldest first."""
        query = with_prompt().order_by(PolicyRow.added, PolicyRow.id)
        with self._db.read() as connection:
            return tuple((policy_of(row), _standing(row)) for row in connection.execute(query))

    def transfer(self, policy_id: str) -> tuple[Transfer, ...]:
        """Say what a policy's training did to every backend that was measured, the greatest loss first."""
        columns: list[ColumnClause[Any]] = [column(name) for name in Transfer.model_fields]
        query = select(*columns).select_from(table("v_transfer")).where(column("policy") == policy_id)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        transfers = [Transfer.model_validate(dict(row._mapping)) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name
        return tuple(
            sorted(
                transfers,
                key=lambda transfer: (transfer.difference or 0.0, transfer.evaluated_backend, transfer.trained_backend),
            )
        )

    def _policy(self, condition: ColumnElement[bool]) -> Policy | None:
        with self._db.read() as connection:
            row = connection.execute(with_prompt().where(condition)).first()
        return None if row is None else policy_of(row)

    def _policy_row(self, policy: Policy, standing: Standing, rnd: Round | None) -> Values:
        now = self._db.clock()
        return {
            "id": policy.id,
            "base": policy.base,
            "adapter": policy.adapter,
            "system": digest(clean(policy.system)),
            "template": policy.template,
            "precision": None if policy.precision is Precision.BASE else policy.precision,
            "parent": policy.parent,
            "routing": None if policy.routing is None else part(policy, "routing"),
            "standing": Standing.CANDIDATE if standing is Standing.CHAMPION else standing,
            "adapter_path": policy.adapter,
            "round": None if rnd is None else rnd.id,
            "added": now,
            "changed": now,
        }

    def _crown_first(self, connection: Connection, policy: Policy) -> None:
        here = PolicyRow.id == policy.id
        if connection.scalar(select(PolicyRow.standing).where(here)) == Standing.CHAMPION:
            return
        first = {"candidate": policy.id, "decision": Decision.FIRST, "gates": 0, "reason": "the stock model"}
        connection.execute(self._db.insert(Promotion).values(**first, decided=self._db.clock()))
        connection.execute(update(PolicyRow).where(here).values(standing=Standing.CHAMPION, changed=self._db.clock()))

    def _propose(self, connection: Connection, policy: Policy, rnd: Round) -> None:
        connection.execute(update(RoundRow).where(RoundRow.id == rnd.id).values(candidate=policy.id))
        again = PolicyRow.id == policy.id, PolicyRow.standing.in_(AGAIN)
        connection.execute(
            update(PolicyRow).where(*again).values(standing=Standing.CANDIDATE, changed=self._db.clock())
        )


def with_prompt() -> AnySelect:
    """Select policies, each with its prompt."""
    return select(PolicyRow, Prompt.content).outerjoin(Prompt, Prompt.id == PolicyRow.system)


@reads(PolicyRow)
def _standing(row: AnyRow) -> Standing:
    return Standing(row.standing)


@reads(PolicyRow)
def policy_of(row: AnyRow) -> Policy:
    """One row of `with_prompt`, as a record."""
    policy = Policy(
        base=row.base,
        adapter=row.adapter,
        system=row.content,
        template=row.template,
        precision=row.precision or Precision.BASE,
        parent=row.parent,
        routing=None if row.routing is None else record(Routing, row.routing),
    )
    same(policy.id, row.id)
    return policy


@reads(TopicsRow)
def topics_of(row: AnyRow) -> str:
    """What a routed set reads requests by, as canonical JSON."""
    same(digest(row.body), row.id)
    return str(row.body)
