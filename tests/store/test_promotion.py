"""Rule 5: at most one champion; promoted if and only if every gate held for exactly that candidate."""

import random

import pytest
from sqlalchemy.exc import IntegrityError

from loop.errors import CheckNegative, LoopdError, NotFound
from loop.types import GateVerdict, Policy, Promotion, RoundState, Standing

GATES = ("breadth", "depth")


@pytest.fixture
def rnd(store, make):
    store.policies.add(make.policy, Standing.CHAMPION)
    return store.rounds.open("config", 0)


def propose(store, make, rnd, adapter="a1"):
    parent = store.policies.champion()
    policy = Policy(**make.policy.model_dump() | {"adapter": adapter}, parent=parent.id)
    return store.policies.add(policy, Standing.CANDIDATE, round=rnd)


def hold(store, make, rnd, **verdicts):
    for gate in GATES:
        store.gates.save(rnd, make.gate(gate, verdicts.get(gate, GateVerdict.HOLDS)))


def yes(policy):
    return Promotion(candidate=policy.id, promoted=True, reason="every gate held")


def finish(store, rnd):
    for state in ("collect", "check", "train", "gate", "promote", "done")[list(RoundState).index(rnd.state) :]:
        rnd = store.rounds.advance(rnd, RoundState(state))
    return rnd


def test_the_stock_model_is_crowned_once(store, make):
    assert store.policies.champion() is None
    store.policies.add(make.policy, Standing.CHAMPION)
    store.policies.add(make.policy, Standing.CHAMPION)
    assert store.policies.champion() == make.policy


def test_nobody_is_made_champion_beside_a_champion(store, make, rnd):
    with pytest.raises(IntegrityError, match="refused: there was a champion before"):
        store.policies.add(Policy(base="other", system="", template="t"), Standing.CHAMPION)
    assert store.policies.champion() == make.policy


def test_a_candidate_keeps_its_parent_and_its_place(store, make, rnd):
    assert store.policies.candidate(rnd) is None
    policy = propose(store, make, rnd)
    propose(store, make, rnd)
    found = store.policies.candidate(rnd)
    assert (found, found.id, found.parent) == (policy, policy.id, make.policy.id)
    assert store.policies.standing(policy.id) is Standing.CANDIDATE
    assert store.policies.all() == ((make.policy, Standing.CHAMPION), (policy, Standing.CANDIDATE))


def test_a_gate_result_comes_back_whole_and_the_latest_counts(store, make, rnd):
    who = {"candidate": propose(store, make, rnd).id, "champion": make.policy.id}
    store.gates.save(rnd, make.gate("depth", GateVerdict.INCONCLUSIVE, wants=("t1", "t2")))
    store.gates.save(rnd, make.gate("depth", GateVerdict.FAILS))
    store.gates.save(rnd, make.gate("breadth", improved=True))
    wanted = make.gate("breadth", improved=True, **who), make.gate("depth", GateVerdict.FAILS, **who)
    assert store.gates.results(rnd) == wanted, "whoever was judged is named, also where the body does not"


def test_a_candidate_that_every_gate_holds_for_becomes_champion(store, make, rnd):
    policy = propose(store, make, rnd)
    hold(store, make, rnd)
    assert store.promotions.decide(rnd, yes(policy), gates=GATES) == yes(policy)
    assert store.policies.champion() == policy
    assert store.policies.standing(make.policy.id) is Standing.RETIRED
    assert store.policies.candidate(rnd) == policy


def test_deciding_twice_is_deciding_once(store, make, rnd):
    policy = propose(store, make, rnd)
    hold(store, make, rnd)
    store.promotions.decide(rnd, yes(policy))
    assert store.promotions.decide(
        rnd, Promotion(candidate=policy.id, promoted=False, reason="changed my mind")
    ) == yes(policy)
    assert store.policies.champion() == policy


@pytest.mark.parametrize("verdict", [GateVerdict.FAILS, GateVerdict.INCONCLUSIVE])
def test_one_gate_that_does_not_hold_refuses_a_promotion(store, make, rnd, verdict):
    policy = propose(store, make, rnd)
    hold(store, make, rnd, depth=verdict)
    with pytest.raises(CheckNegative, match="depth did not hold"):
        store.promotions.decide(rnd, yes(policy))
    assert store.policies.champion() == make.policy
    assert store.policies.standing(policy.id) is Standing.CANDIDATE


def test_a_gate_that_has_not_judged_refuses_a_promotion(store, make, rnd):
    policy = propose(store, make, rnd)
    with pytest.raises(CheckNegative, match="no gate judged it"):
        store.promotions.decide(rnd, yes(policy))
    store.gates.save(rnd, make.gate("depth"))
    with pytest.raises(CheckNegative, match="breadth did not hold"):
        store.promotions.decide(rnd, yes(policy), gates=GATES)


def test_gates_that_held_beside_an_older_champion_promote_nobody(store, make, rnd):
    late = propose(store, make, rnd, "late")
    hold(store, make, rnd)
    second = store.rounds.open("config", 1) if finish(store, rnd) else None
    first = propose(store, make, second, "first")
    hold(store, make, second)
    store.promotions.decide(second, yes(first))
    with pytest.raises(CheckNegative, match="no gate judged it"):
        store.promotions.decide(rnd, yes(late))
    assert store.policies.champion() == first


def test_a_rejected_candidate_says_why_and_may_be_a_specialist(store, make, rnd):
    policy = propose(store, make, rnd)
    no = Promotion(candidate=policy.id, promoted=False, reason="breadth fell")
    assert store.promotions.decide(rnd, no, otherwise=Standing.SPECIALIST) == no
    assert store.promotions.decide(rnd, no) == no
    assert store.policies.standing(policy.id) is Standing.SPECIALIST
    assert store.policies.champion() == make.policy


def test_a_rejected_policy_may_be_proposed_again(store, make, rnd):
    policy = propose(store, make, rnd)
    store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=False, reason="no"))
    finish(store, rnd)
    second = store.rounds.open("config", 1)
    propose(store, make, second)
    assert store.policies.candidate(second) == policy
    assert store.policies.standing(policy.id) is Standing.CANDIDATE


def test_a_rollback_is_instant_and_only_to_an_earlier_champion(store, make, rnd):
    policy = propose(store, make, rnd)
    with pytest.raises(CheckNegative, match="never was champion"):
        store.promotions.roll_back(policy.id, "try")
    hold(store, make, rnd)
    store.promotions.decide(rnd, yes(policy))
    store.promotions.roll_back(make.policy.id, "it was better")
    assert store.policies.champion() == make.policy
    store.promotions.roll_back(policy.id, "no, it was not")
    assert store.policies.champion() == policy


def test_attempts_are_counted_since_the_last_promotion_and_a_rollback_begins_no_new_count(store, make, rnd):
    first = propose(store, make, rnd)
    hold(store, make, rnd)
    store.promotions.decide(rnd, yes(first), GATES)
    assert store.promotions.attempts() == 1
    rnd = finish(store, rnd)
    for number in range(3):
        rnd = store.rounds.open("config", 0)
        other = propose(store, make, rnd, f"b{number}")
        store.promotions.decide(rnd, yes(other).model_copy(update={"promoted": False}))
        rnd = finish(store, rnd)
        assert store.promotions.attempts() == number + 2
    store.promotions.roll_back(make.policy.id, "a test")
    assert store.promotions.attempts() == 4


@pytest.mark.reliability(id="F18")
def test_while_a_gate_is_paused_nothing_is_decided(store, make, rnd):
    policy = propose(store, make, rnd)
    hold(store, make, rnd)
    store.gates.pause("depth", "the suite is being mended")
    store.gates.pause("depth")
    assert store.gates.paused() == ("depth",)
    answer = store.promotions.decide(rnd, yes(policy))
    assert not answer.promoted
    assert "loopd gate resume depth" in answer.reason
    finish(store, rnd)
    assert [each.id for each in store.promotions.queued()] == [rnd.id]
    store.gates.resume("all")
    assert store.promotions.decide(rnd, yes(policy)).promoted
    assert store.promotions.queued() == ()
    assert store.policies.champion() == policy


def test_gate_results_need_a_candidate(store, make, rnd):
    with pytest.raises(LoopdError, match="no candidate"):
        store.gates.save(rnd, make.gate())


def test_an_unknown_policy_is_not_found(store):
    for look in (store.policies.get, store.policies.standing):
        with pytest.raises(NotFound, match="loopd model list"):
            look("nope")


BRIBE = """
insert into promotion (round, candidate, champion, decision, gates, reason, decided)
values ({round}, '{candidate}', '{champion}', '%s', %d, 'bribed', 0)
"""
BORN = """
insert into policy
select 'x', base, adapter, system, template, parent, 'champion', adapter_path, round, added, changed, precision, routing
from policy where id = '{candidate}'
"""
LIES = (
    "update policy set standing = 'champion' where id = '{candidate}'",
    "update policy set standing = 'champion'",
    BORN,
    BRIBE % ("promoted", 1),
    BRIBE % ("promoted", 0),
    BRIBE % ("first", 0),
    BRIBE % ("rollback", 0),
    "update promotion set candidate = '{candidate}'",
    "delete from promotion",
    "update policy set id = 'x' where id = '{candidate}'",
    "update policy set standing = 'emperor' where id = '{candidate}'",
)


@pytest.mark.parametrize("lie", LIES)
def test_the_database_refuses_whoever_asks(store, make, rnd, lie):
    policy = propose(store, make, rnd)
    hold(store, make, rnd, breadth=GateVerdict.FAILS)
    words = {"candidate": policy.id, "champion": make.policy.id, "round": rnd.id}
    with pytest.raises(IntegrityError), store.database.write() as connection:
        connection.exec_driver_sql(lie.format(**words))
    assert store.policies.champion() == make.policy


STEPS = ("pause", "resume", "resume", "hold", "hold", "hold", "fail", "decide", "decide")


@pytest.mark.reliability(id="F18")
def test_no_order_of_pausing_resuming_judging_and_deciding_promotes_wrongly(store, make, rnd):
    champion, policy, draw = store.policies.champion(), propose(store, make, rnd), random.Random(11)
    crowned = 0
    for _ in range(500):
        step = draw.choice(STEPS)
        if step == "pause":
            store.gates.pause(draw.choice((*GATES, "all")))
        elif step == "resume":
            store.gates.resume(draw.choice((*GATES, "all")))
        elif step in ("hold", "fail"):
            verdict = GateVerdict.HOLDS if step == "hold" else draw.choice(list(GateVerdict))
            store.gates.save(rnd, make.gate(draw.choice(GATES), verdict))
        else:
            held = {result.gate for result in store.gates.results(rnd) if result.verdict is GateVerdict.HOLDS}
            allowed = held == set(GATES) and not store.gates.paused()
            try:
                assert store.promotions.decide(rnd, yes(policy), gates=GATES).promoted == allowed
            except CheckNegative:
                assert not allowed
            assert (store.policies.champion() == policy) == allowed
            if allowed:
                crowned += 1
                finish(store, rnd)
                rnd, champion = store.rounds.open("config", crowned), policy
                policy = propose(store, make, rnd, f"a{crowned + 1}")
        assert store.policies.champion() == champion
    assert crowned > 5
