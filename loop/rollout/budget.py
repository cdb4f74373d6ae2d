"""Teachers cost quota and money: who may play now, what is reserved before, settled after, and who must rest.

The decisions are `teachers.budget`'s; here they meet the store, which keeps budgets and rests over restarts.
A teacher that may not play for a while does not hold the round up: its plays are given up, and the student's go on.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Final

import structlog

from loop import plugins, redaction
from loop.config import Teaching
from loop.store import Store
from loop.store.spend import Parked
from loop.types import Play, Trajectory
from teachers.base.teacher import Teacher
from teachers.budget.account import Account
from teachers.budget.decision import SpendDecision
from teachers.budget.rest import CredentialRest

log = structlog.get_logger()
PATIENCE: Final = 60.0
"""Seconds that a collection waits for a teacher that rests, before it goes on without it."""


class Cashier:
    """One account for each credential."""

    def __init__(self, teachers: Sequence[Teaching], store: Store) -> None:
        self._store = store
        self._accounts: dict[str, Account] = {}
        self._of: dict[str, Account] = {}
        self._told: set[tuple[str, str]] = set()
        for item in teachers:
            teacher: Teacher = plugins.load("teachers", item)
            redaction.learn(teacher.secrets())
            key = teacher.credential or teacher.name
            account = self._accounts.setdefault(key, Account(teacher, store.spend, item.limits, _rest(store, key)))
            self._of[teacher.name] = account

    def admitted(self, plays: Iterable[Play], *, patient: bool = False) -> Iterator[Play]:
        """Yield the plays that may start now; students' plays always may.

        Args:
            plays: who would like to start.
            patient: whether a play that may not start stays owed, whatever the reason: nobody waits for it yet.

        A teacher's play is reserved before it is yielded. One that may not start stays owed while others of its
        credential are under way; where the credential must rest for long, or its budget is spent, it is given up.
        """
        for play in plays:
            account = self._of.get(play.player_name)
            if account is None:
                yield play
                continue
            decision = account.decide(play.task, play.round) if patient else self._patiently(account, play)
            if decision.allowed:
                account.start(play)
                yield play
            elif not account.busy and not patient:
                self._give_up(play, decision)

    def _patiently(self, account: Account, play: Play) -> SpendDecision:
        """Ask whether it may start; wait out what is over soon, where nothing else can be done meanwhile."""
        decision = account.decide(play.task, play.round)
        wait = (decision.retry_at or inf) - time.time()
        if decision.allowed or account.busy or wait > PATIENCE:
            return decision
        time.sleep(max(wait, 0.0))
        return account.decide(play.task, play.round)

    def settle(self, play: Play, trajectory: Trajectory) -> None:
        """Settle what a play cost, and let its credential rest where the provider asks for it."""
        account = self._of.get(play.player_name)
        if account is None or not account.started(play):
            return
        before = account.rest
        rest = account.end(play, trajectory)
        if rest != before:
            parked = Parked(credential=account.key, until=rest.until, failures=rest.failures, reason=rest.reason)
            self._store.spend.park(parked)

    def _give_up(self, play: Play, decision: SpendDecision) -> None:
        if (play.player_name, decision.reason) not in self._told:
            self._told.add((play.player_name, decision.reason))
            log.warning("teacher_waits", teacher=play.player_name, reason=decision.reason, retry_at=decision.retry_at)
        self._store.plays.abandon([play], decision.reason)


def _rest(store: Store, credential: str) -> CredentialRest:
    parked = store.spend.parked(credential)
    if parked is None:
        return CredentialRest()
    return CredentialRest(until=parked.until, failures=parked.failures, reason=parked.reason)
