"""Spend, leases, events and arms: what a daemon needs to survive itself."""

import threading
import time

import pytest

from loop.errors import AlreadyRunning, LoopdError
from loop.store import Store
from loop.store.spend import Parked
from loop.types import Arm, RoundState, Usage

MOST = Usage(prompt_tokens=100, completion_tokens=50, requests=1, cost=1.0)


def test_a_call_counts_at_its_reservation_until_it_is_settled(store):
    first, second = store.spend.reserve("deepseek", MOST), store.spend.reserve("deepseek", MOST)
    assert store.spend.spent("deepseek") == MOST + MOST
    store.spend.settle(first, Usage(prompt_tokens=10, requests=1, cost=0.25))
    assert store.spend.spent("deepseek").cost == 1.25
    store.spend.settle(second, Usage(), "quota")
    assert store.spend.spent("deepseek").cost == 0.25
    with pytest.raises(LoopdError, match="is not open"):
        store.spend.settle(second, Usage())


def test_spend_is_asked_for_by_teacher_time_and_round(store, clock):
    rnd = store.rounds.open("config", 0)
    store.spend.reserve("deepseek", MOST)
    clock.pass_seconds(3600)
    hour = clock()
    store.spend.reserve("codex", MOST, round=rnd.id)
    assert store.spend.spent().cost == 2.0
    assert (
        store.spend.spent("codex").cost
        == store.spend.spent(since=hour).cost
        == store.spend.spent(round=rnd.id).cost
        == 1.0
    )
    assert store.spend.spent("nobody") == Usage()


def test_a_parked_credential_survives_a_restart(store, url):
    parked = Parked(credential="codex", until=1234.5, failures=2, reason="usage limit")
    assert store.spend.parked("codex") is None
    store.spend.park(parked.model_copy(update={"failures": 1}))
    store.spend.park(parked)
    with Store.open(url) as again:
        assert again.spend.parked("codex") == parked


def test_a_lease_has_one_owner(store, url, clock):
    store.leases.take("daemon", "first")
    with Store.open(url, clock=clock) as other:
        with pytest.raises(AlreadyRunning, match=r"first.* ends in 60 s"):
            other.leases.take("daemon", "second")
        store.leases.release()
        assert other.leases.take("daemon", "second") == 2


@pytest.mark.reliability(id="F9")
def test_who_lost_the_lease_writes_nothing_more(store, url, clock):
    store.leases.take("daemon", "first", seconds=60)
    rnd = store.rounds.open("config", 0)
    clock.pass_seconds(59)
    store.leases.renew(60)
    clock.pass_seconds(59)
    store.events.record("still here")
    clock.pass_seconds(2)
    with Store.open(url, clock=clock) as other:
        other.leases.take("daemon", "second")
        for write in (
            lambda: store.rounds.advance(rnd, RoundState.COLLECT),
            lambda: store.events.record("late"),
            store.leases.renew,
            store.leases.release,
        ):
            with pytest.raises(AlreadyRunning, match="was taken by another loopd"):
                write()
        other.rounds.advance(rnd, RoundState.COLLECT)
        assert [event.kind for event in other.events.read()] == ["still here", "round.moved"]


@pytest.mark.reliability(id="F8")
def test_a_clock_that_jumps_does_not_make_two_owners(store, url, clock):
    store.leases.take("daemon", "first")
    clock.pass_seconds(-600)
    with Store.open(url, clock=clock) as other:
        with pytest.raises(AlreadyRunning):
            other.leases.take("daemon", "second")
        clock.pass_seconds(30 * 86_400)
        other.leases.take("daemon", "second")
        with pytest.raises(AlreadyRunning):
            store.events.record("late")


@pytest.mark.parametrize("back", [0, 5 * 3_600, 400 * 86_400])
@pytest.mark.reliability(id="F8")
def test_nobody_waits_for_the_dead_longer_than_a_lease_whatever_the_clock_does(store, url, clock, back):
    store.leases.take("daemon", "a1 mac.lan:/some data")
    clock.pass_seconds(-back)
    with Store.open(url, clock=clock) as other:
        with pytest.raises(AlreadyRunning, match=r"\(mac.lan:/some data\) .* ends in 60 s"):
            other.leases.take("daemon", "b2 mac.lan:/other data")
        clock.pass_seconds(61)
        other.leases.take("daemon", "b2 mac.lan:/other data")


@pytest.mark.reliability(id="F8")
def test_whose_clock_goes_ahead_keeps_its_lease_for_as_long_as_it_lives(store, url, clock):
    store.leases.take("daemon", "ahead")
    clock.pass_seconds(-3_600)
    with Store.open(url, clock=clock) as other:
        for _ in range(10):
            with pytest.raises(AlreadyRunning, match="ends in 60 s"):
                other.leases.take("daemon", "behind")
            clock.pass_seconds(3_600 + 20)
            store.leases.renew()
            clock.pass_seconds(-3_600)
        store.events.record("still here")


def test_an_owner_is_known_by_its_identity_not_by_what_it_is_called(store, url, clock):
    store.leases.take("daemon", "a1 mac.lan:/data")
    with Store.open(url, clock=clock) as again:
        assert again.leases.take("daemon", "a1 mac.local:/moved/data") == 2


def test_events_are_numbered_as_they_came(store):
    made = [store.events.record("tick", n=n, deep={"a": [None, 0.5]}) for n in range(450)]
    assert list(store.events.read()) == made
    assert list(store.events.read(since=made[440].id)) == made[441:]
    store.events.record("other")
    assert [event.kind for event in store.events.read(kind="other")] == ["other"]


def test_arms_are_saved_in_place(store, make):
    key = make.task(0).arm
    arm = Arm(key=key, alpha=3.5, beta=2, plays=4, wins=3, last_round=1, at_promotion=0.25)
    other = Arm(key=key.model_copy(update={"family": "another"}))
    store.arms.save([other, arm])
    store.arms.save([arm.model_copy(update={"alpha": 4.5, "frozen": True})])
    assert store.arms.all() == (other, arm.model_copy(update={"alpha": 4.5, "frozen": True}))
    store.arms.save([])


def test_threads_share_one_store(store):
    def write(name):
        for n in range(40):
            store.events.record(name, n=n)
            store.gates.pause(name)
            store.gates.paused()
            store.gates.resume(name)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("depth", "breadth", "all")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.events.read())) == 120
    assert store.gates.paused() == ()


def test_what_a_round_learns_and_what_an_operator_sets_meanwhile_are_both_kept(store, make):
    arm = Arm(key=make.task().arm)
    store.arms.save([arm])
    reading, steering = threading.Event(), threading.Thread(target=lambda: steer(store, reading), daemon=True)

    def learn(arms):
        steering.start()
        assert reading.wait(10)
        time.sleep(0.2)  # the operator is about to write, or waits for us
        return [each.model_copy(update={"plays": each.plays + 4, "wins": each.wins + 3}) for each in arms.values()]

    store.arms.change(learn)
    steering.join(20)
    (kept,) = store.arms.all()
    assert (kept.plays, kept.wins, kept.weight, kept.frozen) == (4, 3, 2.5, True)


def steer(store, reading):
    reading.set()
    store.arms.change(lambda arms: [each.model_copy(update={"weight": 2.5, "frozen": True}) for each in arms.values()])
