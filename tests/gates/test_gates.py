"""What the gates say of candidates whose worth is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop import plugins
from loop.gates.breadth import Breadth
from loop.gates.decision import decide, owed, standing
from loop.gates.depth import Depth
from loop.gates.retention import Retention
from loop.types import Gate, GateResult, GateVerdict, Part, Score, Standing, Tier

FILES, TRADING, TRAVEL = ("GorillaFileSystem",), ("TradingBot",), ("TravelAPI",)
HOLDS, FAILS, INCONCLUSIVE = GateVerdict.HOLDS, GateVerdict.FAILS, GateVerdict.INCONCLUSIVE


@pytest.mark.parametrize("name", ["depth", "breadth", "retention"])
def test_gates_are_found_by_name(name):
    gate: Gate = plugins.load("loop.gates", Part(use=name, settings={"suite": "other", "margin": 0.05}))
    assert (gate.name, gate.suite) == (name, "other")


def test_a_first_round_is_decided_with_one_play_a_task(played):
    depth = Depth().judge(played({FILES: (0.03, 60)}, 1, 1), played({FILES: (0.85, 60)}, 1, 2))
    old, new = {TRADING: (0.0, 30), TRAVEL: (0.05, 30)}, {TRADING: (0.8, 30), TRAVEL: (0.9, 30)}
    breadth = Breadth().judge(played(old, 1, 3), played(new, 1, 4))
    assert [(result.verdict, result.improved) for result in (depth, breadth)] == [(HOLDS, True)] * 2
    assert owed([depth, breadth]) == {}
    assert decide("c", [depth, breadth]).promoted


def test_equal_candidates_are_measured_to_the_end_and_not_promoted(played):
    plan = {TRADING: (0.8, 30), TRAVEL: (0.8, 30)}
    for samples in (1, 32):
        depth = Depth().judge(played({FILES: (0.8, 60)}, samples, 1), played({FILES: (0.8, 60)}, samples, 2))
        breadth = Breadth().judge(played(plan, samples, 3), played(plan, samples, 4))
        promotion = decide("c", [depth, breadth])
        assert not promotion.promoted
        assert "inconclusive" in promotion.reason
        assert bool(owed([depth, breadth])) is (samples == 1)


def test_a_loss_on_one_backend_fails_however_much_is_gained_elsewhere(played):
    old = {TRADING: (0.5, 60), TRAVEL: (0.8, 30)}
    new = {TRADING: (1.0, 60), TRAVEL: (0.3, 30)}
    result = Breadth().judge(played(old, 8, 1), played(new, 8, 2))
    assert result.difference > 0
    assert result.verdict is FAILS
    assert "TravelAPI" in result.reason
    assert result.wants == ()


def test_only_the_undecided_backends_are_played_again(played):
    old = {TRADING: (0.1, 40), TRAVEL: (0.5, 40)}
    new = {TRADING: (0.95, 40), TRAVEL: (0.5, 40)}
    result = Breadth().judge(played(old, 2, 1), played(new, 2, 2))
    assert result.verdict is INCONCLUSIVE
    assert {task.split("-")[0] for task in result.wants} == {"TravelAPI"}
    assert result.next_samples == 4


def test_a_task_of_two_backends_counts_for_both(played):
    pair = ("TradingBot", "TravelAPI")
    plan = {pair: (0.9, 12), TRADING: (0.9, 12)}
    parts = {part.name: part.tasks for part in Breadth().judge(played(plan, 2, 1), played(plan, 2, 2)).parts}
    assert parts == {"overall": 24, "TradingBot": 24, "TravelAPI": 12}


def test_what_only_one_policy_has_played_is_left_out(played):
    old = played({FILES: (0.0, 40)}, 4, 1)
    new = [score for score in played({FILES: (1.0, 50)}, 8, 2) if score.sample != 2]
    result = Depth().judge(old, new)
    assert (result.tasks, result.samples, result.plays) == (40, 3, 2 * 40 * 3)


def test_nothing_measured_is_inconclusive_and_finite():
    result = Depth().judge([], [])
    assert (result.verdict, result.tasks, result.improved) == (INCONCLUSIVE, 0, False)
    assert GateResult.model_validate_json(result.model_dump_json()) == result


def test_a_look_that_decided_stays_decided_when_more_is_played(played):
    old, new = played({FILES: (0.1, 60)}, 16, 1), played({FILES: (0.7, 60)}, 16, 2)
    looks = [
        Depth().judge([s for s in old if s.sample < k], [s for s in new if s.sample < k]).parts[0].look
        for k in (1, 2, 4, 8, 16)
    ]
    assert looks == [1] * 5


def test_a_later_attempt_must_prove_more(played):
    scores = played({FILES: (0.5, 60)}, 4, 1), played({FILES: (0.62, 60)}, 4, 2)
    first, hundredth = Depth(most=4).judge(*scores), Depth(most=4, attempt=100).judge(*scores)
    assert hundredth.spent < first.spent / 100
    assert (first.improved, hundredth.improved) == (True, False)


def test_a_smaller_budget_keeps_no_error_for_looks_that_never_come(played):
    scores = played({FILES: (0.7, 60)}, 4, 4), played({FILES: (0.78, 60)}, 4, 54)
    whole, small = Depth(), Depth().within(4)
    assert (whole.judge(*scores).verdict, small.judge(*scores).verdict) == (INCONCLUSIVE, HOLDS)
    assert small.judge(*scores).spent > 10 * whole.judge(*scores).spent
    assert Depth(most=2).within(8).most == 2


def test_a_gain_that_more_plays_may_prove_is_pursued_once_all_gates_hold(played):
    old, new = played({FILES: (0.50, 60)}, 8, 1), played({FILES: (0.54, 60)}, 8, 6)
    result = Depth(margin=0.2).judge(old, new)
    assert (result.verdict, result.improved) == (HOLDS, False)
    assert owed([result]) == {"depth": result.may_improve}
    assert len(result.may_improve) == 60
    assert result.next_samples == 16


def test_a_failing_gate_ends_the_measuring(played):
    fails = Depth().judge(played({FILES: (0.9, 60)}, 4, 1), played({FILES: (0.3, 60)}, 4, 2))
    open_still = Breadth().judge(played({TRAVEL: (0.8, 30)}, 1, 1), played({TRAVEL: (0.8, 30)}, 1, 2))
    assert (fails.verdict, open_still.verdict) == (FAILS, INCONCLUSIVE)
    assert owed([fails, open_still]) == {}
    assert decide("c", [fails, open_still]).reason.startswith("depth fails: overall -")


def test_a_backend_undecided_to_the_end_ends_the_measuring(played):
    old = [*played({TRADING: (0.8, 12)}, 4, 1), *played({TRAVEL: (0.8, 30)}, 1, 2)]
    new = [*played({TRADING: (0.75, 12)}, 4, 3), *played({TRAVEL: (0.8, 30)}, 1, 4)]
    result = Breadth(most=4).judge(old, new)
    assert {part.name: part.look for part in result.parts} == {"overall": 1, "TradingBot": 4, "TravelAPI": 1}
    assert (result.verdict, result.wants) == (INCONCLUSIVE, ())
    open_still = Depth().judge(played({FILES: (0.8, 30)}, 1, 1), played({FILES: (0.8, 30)}, 1, 2))
    assert open_still.wants
    assert owed([result, open_still]) == {}


def test_a_paused_gate_promotes_nothing(played):
    holds = Depth().judge(played({FILES: (0.0, 60)}, 1, 1), played({FILES: (1.0, 60)}, 1, 2))
    assert decide("c", [holds]).promoted
    assert not decide("c", [holds], paused=["breadth"]).promoted
    assert not decide("c", []).promoted


def test_better_in_depth_and_worse_elsewhere_is_a_specialist(played):
    depth = Depth().judge(played({FILES: (0.5, 60)}, 4, 1), played({FILES: (1.0, 60)}, 4, 2))
    breadth = Breadth().judge(played({TRAVEL: (0.8, 40)}, 4, 1), played({TRAVEL: (0.3, 40)}, 4, 2))
    assert standing([depth, breadth], promoted=False) is Standing.SPECIALIST
    assert standing([depth], promoted=False) is Standing.REJECTED
    assert standing([depth, breadth], promoted=True) is Standing.CHAMPION


verdicts = st.sampled_from(list(GateVerdict))


@given(st.lists(st.tuples(verdicts, st.booleans()), max_size=4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_promotion_needs_every_gate_and_an_improvement(found, paused):
    results = [
        GateResult(
            gate=f"g{number}",
            verdict=verdict,
            reason="because",
            champion_rate=0.5,
            candidate_rate=0.5,
            difference=0,
            low=0,
            high=0,
            margin=0.03,
            tasks=1,
            samples=1,
            improved=improved and verdict is HOLDS,
        )
        for number, (verdict, improved) in enumerate(found)
    ]
    expected = not paused and all(result.verdict is HOLDS for result in results) and any(r.improved for r in results)
    promotion = decide("c", results, paused=["g0"] if paused else [])
    assert promotion.promoted is expected
    assert promotion.reason


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 3), st.booleans()), max_size=40),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 3), st.booleans()), max_size=40),
)
@settings(max_examples=25, deadline=None)
def test_any_scores_get_a_finite_result(champion, candidate):
    old, new = (
        [Score(task=t, backends=(t.upper(),), tier=Tier.EASY, sample=s, passed=p) for t, s, p in scores]
        for scores in (champion, candidate)
    )
    for gate in (Depth(), Breadth(), Retention()):
        result = gate.judge(old, new)
        assert GateResult.model_validate_json(result.model_dump_json()) == result
        assert set(result.wants) <= {score.task for score in old} & {score.task for score in new}
        assert bool(result.wants) <= (result.verdict is INCONCLUSIVE)


def measured(rate, tokens, kl, tasks=60):
    return [
        Score(
            task=f"t{n:03}",
            backends=("irrelevance" if n % 2 else "simple",),
            tier=Tier.EASY,
            sample=0,
            passed=n < rate * tasks,
            measures={"tokens": tokens + n % 5, "kl": kl + n % 3 / 100},
        )
        for n in range(tasks)
    ]


def test_retention_holds_what_stays_and_never_promotes():
    result = Retention(margin=0.1, category_margin=0.2, most=1).judge(measured(0.9, 40, 0), measured(0.9, 42, 0.1))
    assert (result.verdict, result.improved) == (HOLDS, False)
    assert {part.name for part in result.parts} == {"overall", "simple", "irrelevance", "tokens", "kl"}


@pytest.mark.parametrize(
    ("candidate", "blamed"),
    [(measured(0.9, 80, 0.1), "tokens"), (measured(0.9, 40, 0.9), "kl"), (measured(0.2, 40, 0.1), "less are allowed")],
)
def test_retention_fails_what_grows_drifts_or_forgets(candidate, blamed):
    result = Retention(margin=0.1, category_margin=0.2, most=1).judge(measured(0.9, 40, 0), candidate)
    assert result.verdict is FAILS
    assert blamed in result.reason
