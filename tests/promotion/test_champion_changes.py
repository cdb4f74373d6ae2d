"""A champion that changes while a candidate is measured: nothing counts beside one that it was not measured with."""

import random

import pytest

from loop.control import commands
from loop.errors import CheckNegative, ConfigError
from loop.store import Store
from loop.testing import FakeGpu
from loop.types import GateResult, GateVerdict, Policy, Promotion, RoundState, Standing

GATES = ("breadth", "depth")
STEPS = ("pause", "resume", "resume", "hold", "hold", "hold", "fail", "decide", "decide", "promote", "rollback")


def test_a_rollback_while_a_candidate_is_measured_has_it_judged_beside_the_new_champion(rehearsal):
    rehearsal.live()

    class RollsBack(FakeGpu):
        def serving(self, base, *, adapter=None, **more):
            with Store.open(rehearsal.places.database) as store:
                rnd, stock = store.rounds.all()[-1], store.policies.all()[0][0]
                if rnd.state is RoundState.GATE and store.policies.champion() != stock:
                    commands.carry_out(store, "model.rollback", {"policy": stock.id})
            return super().serving(base, adapter=adapter, **more)

    rehearsal.live(gpu=RollsBack())
    with rehearsal.store() as store:
        (stock, _), (first, _), *_ = store.policies.all()
        candidate, rnd = store.policies.candidate(store.rounds.get(2)), store.rounds.get(2)
        assert {result.champion for result in store.gates.results(rnd)} == {stock.id}
        assert candidate.parent == first.id
        assert store.policies.champion() == candidate
    query = f"select distinct champion from v_gates where candidate = '{candidate.id}'"
    beside = {row["champion"] for row in rehearsal.json("sql", query)["rows"]}
    assert beside == {stock.id, first.id}


def test_another_base_model_is_refused_before_anything_is_served(rehearsal):
    rehearsal.live(training={"min_rows": 1000})
    with pytest.raises(ConfigError, match="another base model"):
        rehearsal.live(student={"source": "embedded"})


def result(gate, verdict, champion):
    rates = dict.fromkeys(("champion_rate", "candidate_rate", "difference", "low", "high", "margin"), 0.5)
    return GateResult(gate=gate, verdict=verdict, reason="", tasks=1, samples=1, champion=champion, **rates)


@pytest.mark.reliability(id="F18")
def test_500_random_orders_with_rollbacks_and_promotions_by_hand_crown_nobody_wrongly(tmp_path):
    draw, stock = random.Random(7), Policy(base="b", system="", template="t")
    with Store.open(f"sqlite:///{tmp_path}/loopd.db") as store:
        store.policies.add(stock, Standing.CHAMPION)
        champion, crowned, said = stock, [stock], {}
        rnd, policy = begin(store, stock, 0)
        for number in range(500):
            step = draw.choice(STEPS)
            if step == "pause":
                store.gates.pause(draw.choice((*GATES, "all")))
            elif step == "resume":
                store.gates.resume(draw.choice((*GATES, "all")))
            elif step in ("hold", "fail"):
                # measured beside any champion there was: a rollback may have come between
                beside = draw.choice([champion, *crowned])
                gate = draw.choice(GATES)
                verdict = GateVerdict.HOLDS if step == "hold" else draw.choice(list(GateVerdict))
                store.gates.save(rnd, result(gate, verdict, beside.id))
                said[policy.id, beside.id, gate] = verdict
            elif step == "rollback":
                back = draw.choice(crowned)
                if back == champion:
                    with pytest.raises(CheckNegative, match="champion already"):
                        store.promotions.roll_back(back.id, "a test")
                else:
                    store.promotions.roll_back(back.id, "a test")
                champion = back
            else:
                held = all(said.get((policy.id, champion.id, gate)) is GateVerdict.HOLDS for gate in GATES)
                allowed = held and not store.gates.paused()
                assert attempt(store, step, rnd, policy) is allowed
                if allowed:
                    champion, crowned = policy, [*crowned, policy]
                    finish(store, rnd)
                    rnd, policy = begin(store, champion, number + 1)
            assert store.policies.champion() == champion
    assert len(crowned) > 4


def begin(store, parent, number):
    rnd = store.rounds.open("config", 0)
    policy = Policy(base="b", adapter=f"a{number}", system="", template="t", parent=parent.id)
    return rnd, store.policies.add(policy, Standing.CANDIDATE, round=rnd)


def attempt(store, step, rnd, policy):
    try:
        if step == "promote":
            return store.promotions.promote(policy.id, "by hand", GATES).promoted
        return store.promotions.decide(
            rnd, Promotion(candidate=policy.id, promoted=True, reason="held"), GATES
        ).promoted
    except CheckNegative:
        return False


def finish(store, rnd):
    for state in ("collect", "check", "train", "gate", "promote", "done"):
        rnd = store.rounds.advance(rnd, RoundState(state))
