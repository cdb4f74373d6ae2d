"""The account over the real store: what is reserved and how a credential rests outlive the daemon."""

import pytest

from loop.errors import FailureKind
from loop.store import Store
from loop.store.spend import Parked
from loop.types import End, Failure, Part, Play, Task, Tier, Trajectory, Turn, Usage
from teachers.base.teacher import Teacher
from teachers.budget.account import Account
from teachers.budget.ledger import SpendLedger
from teachers.budget.limits import Cap, Limits
from teachers.budget.rest import CredentialRest

NOW = 1_800_000_000.0
LIMITS = Limits(day=Cap(cost=2.5))
TASK = Task(
    generator="g", family="f", tier=Tier.EASY, seed=0, backends=("B",), initial={}, tools=(), leak_group="x",
    turns=(Turn(user="Hi"),),
)  # fmt: skip


class Paid(Teacher):
    @property
    def name(self):
        return "paid"

    @property
    def credential(self):
        return "paid:KEY"

    def open(self, task, seed):
        raise AssertionError("no play is opened here")

    def estimate(self, task):
        return Usage(prompt_tokens=1000, requests=5, cost=1.0)


@pytest.fixture
def reopened(tmp_path):
    """Opens the store again, as a daemon that was killed does."""
    return lambda: Store.open(f"sqlite:///{tmp_path}/loopd.db", clock=lambda: int(NOW * 1e6))


def owed(store, count):
    rnd = store.rounds.open("digest", 0)
    part = Part(use="paid")
    plays = [Play(id=f"p{n}", round=rnd.id, task=TASK, player=part, player_name="paid", sample=n) for n in range(count)]
    store.plays.owe(rnd, [TASK], plays)
    return plays


def gate_on(store):
    ledger: SpendLedger = store.spend
    parked = store.spend.parked("paid:KEY")
    rest = CredentialRest(**parked.model_dump(exclude={"credential"})) if parked else CredentialRest()
    return Account(Paid(), ledger, LIMITS, rest=rest, clock=lambda: NOW)


def test_a_killed_daemon_finds_what_it_had_reserved(reopened):
    store = reopened()
    plays, account = owed(store, 3), gate_on(store)
    for play in plays[:2]:
        assert account.decide(TASK, play.round).allowed
        account.start(play)
    again = gate_on(reopened())
    assert not again.decide(TASK, plays[2].round).allowed
    assert reopened().spend.spent("paid:KEY").cost == 2.0


def test_a_rest_outlives_the_daemon(reopened):
    store = reopened()
    (play,), account = owed(store, 1), gate_on(store)
    account.start(play)
    failure = Failure(kind=FailureKind.QUOTA, message="used up", retry_at=NOW + 500)
    rest = account.end(play, Trajectory(task=TASK.id, player="paid", end=End.FAILED, failure=failure))
    store.spend.park(Parked(credential=account.key, **rest.model_dump()))
    again = gate_on(reopened())
    assert again.rest == rest
    assert not again.decide(TASK, play.round).allowed
    assert reopened().spend.spent("paid:KEY") == Usage(), "a refusal costs nothing"
