"""What the gates say of candidates whose worth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop import plugins
from loop.gates.breadth import Breadth
from loop.gates.decision import decide, owed, standing
from loop.gates.depth import Depth
from loop.gates.retention import Retention
from loop.types import Entry, Gate, GateResult, GateVerdict, Novelty, Part, Score, Standing, Tier, Trial

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


def test_an_equal_candidate_that_changes_a_fifth_of_the_tasks_is_given_up_and_not_promoted(played):
    old = {TRADING: (0.8, 60), TRAVEL: (0.8, 60)}
    depth = Depth().judge(played({FILES: (0.8, 120)}, 1, 1), played({FILES: (0.8, 120)}, 1, 2))
    breadth = Breadth().judge(played(old, 1, 3), played(old, 1, 4))
    assert {result.verdict for result in (depth, breadth)} == {INCONCLUSIVE}
    assert not depth.improved | breadth.improved
    assert "inconclusive" in decide("c", [depth, breadth]).reason


@pytest.mark.parametrize("tasks", [8, 60, 400])
@pytest.mark.parametrize("gate", [Depth(), Breadth(), Retention(limits={}, rises={})])
def test_a_candidate_identical_to_the_champion_on_every_task_holds_and_is_not_promoted(played, gate, tasks):
    scores = played({TRADING: (0.8, tasks), TRAVEL: (0.7, tasks)}, 1, 1)
    result = gate.judge(scores, scores)
    assert (result.verdict, result.improved, result.wants) == (HOLDS, False, ())
    assert not decide("c", [result]).promoted


def test_a_loss_on_one_backend_fails_however_much_is_gained_elsewhere(played):
    old = {TRADING: (0.5, 60), TRAVEL: (0.8, 30)}
    new = {TRADING: (1.0, 60), TRAVEL: (0.3, 30)}
    result = Breadth().judge(played(old, 8, 1), played(new, 8, 2))
    assert result.difference > 0
    assert result.verdict is FAILS
    assert "TravelAPI" in result.reason
    assert result.wants == ()


def suite(plan):
    """The entries of a suite that takes turns: backends (or pairs) with a number of tasks each."""
    found = [
        (number, Entry(task=f"{'+'.join(backends)}-{number:03}", backends=backends, tier=Tier.EASY))
        for backends, tasks in plan.items()
        for number in range(tasks)
    ]
    return Trial(entries=tuple(entry for _, entry in sorted(found, key=lambda each: each[0])))


def only(scores, tasks):
    return [score for score in scores if score.task in tasks]


def test_without_scores_a_gate_asks_for_its_first_look_and_then_for_twice_as_many(played):
    trial = suite({TRADING: 100, TRAVEL: 100})
    first = Breadth(first=40).judge([], [], trial)
    assert first.wants == tuple(entry.task for entry in trial.entries[:40])
    assert (first.verdict, first.next_samples, owed([first])) == (INCONCLUSIVE, 1, {"breadth": first.wants})
    alike = (
        played({TRADING: (0.5, 100), TRAVEL: (0.5, 100)}, 1, 1),
        played({TRADING: (0.6, 100), TRAVEL: (0.6, 100)}, 1, 2),
    )
    second = Breadth(first=40).judge(*(only(scores, first.wants) for scores in alike), trial)
    assert set(second.wants) <= {entry.task for entry in trial.entries[40:80]}
    assert second.parts[0].look == 40


def test_only_the_undecided_backends_get_more_tasks(played):
    trial = suite({TRADING: 120, TRAVEL: 120})
    first = {entry.task for entry in trial.entries[:120]}
    old = only(played({TRADING: (0.1, 120), TRAVEL: (0.5, 120)}, 1, 1), first)
    new = only(played({TRADING: (0.95, 120), TRAVEL: (0.52, 120)}, 1, 2), first)
    result = Breadth(first=120).judge(old, new, trial)
    assert result.verdict is INCONCLUSIVE
    assert result.parts[0].verdict is HOLDS
    assert {task.split("-")[0] for task in result.wants} == {"TravelAPI"}
    assert len(result.wants) == 60


def test_a_suite_that_is_too_small_to_tell_is_played_again(played):
    old, new = {TRADING: (0.1, 40), TRAVEL: (0.5, 40)}, {TRADING: (0.95, 40), TRAVEL: (0.5, 40)}
    result = Breadth(most=8).judge(played(old, 2, 1), played(new, 2, 2))
    assert result.verdict is INCONCLUSIVE
    assert {task.split("-")[0] for task in result.wants} == {"TravelAPI"}
    assert result.next_samples == 4


def test_a_look_that_lacks_a_task_is_not_made(played):
    trial = suite({FILES: 108})
    old, new = played({FILES: (0.0, 108)}, 1, 1), played({FILES: (1.0, 108)}, 1, 2)
    lacking = trial.entries[3].task
    some = [score for score in new if score.task != lacking]
    result = Depth().judge(old, some, trial)
    assert (result.wants, result.parts[0].look, result.improved) == ((lacking,), 0, False)
    assert Depth().judge(old, new, trial).improved


def novel(parts, rate, seed, played):
    """A suite whose tasks take turns among parts, and one policy's scores, by its rate in each part."""
    entries, scores = [], []
    for part, right in rate.items():
        for place, score in enumerate(played({FILES: (right, parts[part])}, 1, seed)):
            named = score.model_copy(update={"task": f"{place:03}-{part}", "novelty": part})
            scores.append(named)
            entries.append(Entry(task=named.task, backends=FILES, tier=Tier.EASY, novelty=part))
    return Trial(entries=tuple(sorted(entries, key=lambda entry: entry.task))), scores


def test_known_and_new_words_must_each_hold_and_unseen_families_are_only_reported(played):
    sizes = {Novelty.KNOWN: 100, Novelty.WORDS: 100, Novelty.FAMILY: 40}
    trial, old = novel(sizes, {Novelty.KNOWN: 0.3, Novelty.WORDS: 0.6, Novelty.FAMILY: 0.9}, 1, played)
    _, new = novel(sizes, {Novelty.KNOWN: 0.95, Novelty.WORDS: 0.3, Novelty.FAMILY: 0.0}, 2, played)
    result = Depth().judge(old, new, trial)
    parts = {part.name: part for part in result.parts}
    assert list(parts) == ["overall", "known words", "new words", "unseen families"]
    assert result.difference > 0, "what was gained in known words is more than what was lost in new ones"
    assert (result.verdict, parts["new words"].verdict) == (FAILS, FAILS)
    assert "new words" in result.reason
    assert (parts["overall"].tasks, parts["unseen families"].tasks) == (200, 40)
    assert not parts["unseen families"].decides
    better = Depth().judge(
        old,
        [s for s in old if s.novelty is not Novelty.FAMILY]
        + only(new, {s.task for s in new if s.novelty is Novelty.FAMILY}),
        trial,
    )
    assert better.verdict is HOLDS, "a loss in families that are never trained decides nothing"


def test_unseen_families_are_played_with_the_looks_at_the_whole_suite(played):
    trial, _ = novel({Novelty.KNOWN: 90, Novelty.FAMILY: 30}, {Novelty.KNOWN: 1.0, Novelty.FAMILY: 1.0}, 1, played)
    asked = Depth(first=40).judge([], [], trial).wants
    assert asked == tuple(entry.task for entry in trial.entries[:40])


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
    old, new = played({FILES: (0.05, 240)}, 1, 1), played({FILES: (0.95, 240)}, 1, 2)
    trial = suite({FILES: 240})
    looks = [
        Depth().judge(only(old, kept), only(new, kept), trial).parts[0].look
        for size in (54, 108, 216, 240)
        for kept in ({entry.task for entry in trial.entries[:size]},)
    ]
    assert looks == [54] * 4


def test_every_candidate_may_spend_as_much_of_the_error_whenever_it_comes(played):
    scores = played({FILES: (0.3, 60)}, 1, 1), played({FILES: (0.95, 60)}, 1, 2)
    first, hundredth = Depth(most=1).judge(*scores), Depth(most=1).attempted(100).judge(*scores)
    assert (first.attempt, hundredth.attempt) == (1, 100)
    assert first.improved is hundredth.improved is True
    assert first.spent == hundredth.spent
    looks = Depth(most=1).gains.steps(np.arange(60), 60)
    assert sum(look.error for look in looks) == pytest.approx(0.05 / 2 / 20)


def test_a_smaller_budget_keeps_no_error_for_looks_that_never_come(played):
    scores = played({FILES: (0.6, 100)}, 1, 4), played({FILES: (0.68, 100)}, 1, 54)
    whole, small = Depth().judge(*scores), Depth().within(1).judge(*scores)
    assert small.parts[0].spent > 100 * whole.parts[0].spent
    assert small.parts[0].left == 0
    assert Depth(most=2).within(8).most == 2


def test_a_gain_that_more_tasks_may_prove_is_pursued_once_all_gates_hold(played):
    trial = suite({FILES: 240})
    first = {entry.task for entry in trial.entries[:108]}
    old = only(played({FILES: (0.40, 240)}, 1, 1), first)
    new = only(played({FILES: (0.55, 240)}, 1, 6), first)
    result = Depth(margin=0.3).judge(old, new, trial)
    assert (result.verdict, result.improved) == (HOLDS, False)
    assert owed([result]) == {"depth": result.may_improve}
    assert result.may_improve == tuple(entry.task for entry in trial.entries[108:216])
    assert result.next_samples == 1


def test_a_candidate_that_no_gate_may_still_find_better_is_given_up(played):
    trial = suite({FILES: 240})
    first = {entry.task for entry in trial.entries[:216]}
    old = only(played({FILES: (0.5, 240)}, 1, 1), first)
    changed = [s.model_copy(update={"passed": s.passed ^ (int(s.task[-3:]) % 3 == 0)}) for s in old]
    depth = Depth(most=1).judge(old, changed, trial)
    assert (depth.verdict, depth.may_improve) == (INCONCLUSIVE, ())
    assert depth.wants, "what is open could be settled"
    assert owed([depth]) == {}, "but that would promote nobody"
    guard = Retention(limits={}, rises={}).judge([], [], trial)
    assert owed([depth, guard]) == {}, "nor does a gate that only guards"


def test_a_failing_gate_ends_the_measuring(played):
    fails = Depth().judge(played({FILES: (0.9, 60)}, 4, 1), played({FILES: (0.3, 60)}, 4, 2))
    open_still = Breadth().judge(played({TRAVEL: (0.8, 30)}, 1, 1), played({TRAVEL: (0.8, 30)}, 1, 2))
    assert (fails.verdict, open_still.verdict) == (FAILS, INCONCLUSIVE)
    assert owed([fails, open_still]) == {}
    assert decide("c", [fails, open_still]).reason.startswith("depth fails: overall -")


def test_a_backend_undecided_to_the_end_ends_the_measuring(played):
    old = [*played({TRADING: (0.8, 12)}, 1, 1), *played({TRAVEL: (0.3, 90)}, 1, 2)]
    new = [*played({TRADING: (0.75, 12)}, 1, 3), *played({TRAVEL: (0.9, 90)}, 1, 4)]
    result = Breadth(most=1).judge(old, new)
    verdicts = {part.name: part.verdict for part in result.parts}
    assert verdicts == {"overall": HOLDS, "TradingBot": INCONCLUSIVE, "TravelAPI": HOLDS}
    assert (result.verdict, result.wants) == (INCONCLUSIVE, ())
    open_still = Depth().judge([], [], suite({FILES: 30}))
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
        assert {*result.wants, *result.may_improve} <= {score.task for score in old} & {score.task for score in new}
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


def judged_beside(former, present, candidate, best=None):
    """Judge a candidate whose champion has a former one behind it; policies by their scores."""
    trial = suite({TRADING: 120, TRAVEL: 120})
    given = trial.model_copy(update={"earlier": {"former": tuple(former)}, "best": best or {}})
    return Breadth(margin=0.3, backend_margin=0.2, most=1).judge(present, candidate, given)


def test_losses_on_one_backend_add_up_to_no_more_than_the_cumulative_margin(played):
    level = [played({TRADING: (1.0, 120), TRAVEL: (rate, 120)}, 1, 7) for rate in (0.99, 0.76, 0.66)]
    alone = Breadth(margin=0.3, backend_margin=0.2, most=1).judge(level[1], level[2])
    result = judged_beside(*level)
    parts = {part.name: part for part in result.parts}
    assert (alone.verdict, result.verdict) == (HOLDS, FAILS)
    assert (parts["TravelAPI"].verdict, parts["TravelAPI, best ever"].verdict) == (HOLDS, FAILS)
    assert parts["TravelAPI, best ever"].beside == "former"
    assert "TravelAPI, best ever" in result.reason
    assert "TradingBot, best ever" not in parts, "the present champion does as well there"


def test_a_former_champion_that_did_worse_is_no_reference(played):
    level = [played({TRADING: (0.9, 120), TRAVEL: (rate, 120)}, 1, 7) for rate in (0.5, 0.8, 0.75)]
    assert not [part for part in judged_beside(*level).parts if part.beside]


def test_a_former_champion_plays_what_it_lacks(played):
    level = [played({TRADING: (0.9, 120), TRAVEL: (rate, 120)}, 1, 7) for rate in (0.95, 0.85, 0.84)]
    some = [score for score in level[0] if int(score.task[-3:]) < 40]
    result = judged_beside(some, *level[1:])
    assert (result.verdict, result.wants) == (INCONCLUSIVE, ())
    asked = result.beside["former"]
    assert {task.split("-")[0] for task in asked} == {"TravelAPI"}
    assert not {score.task for score in some} & set(asked)
    assert owed([result]) == {} or result.may_improve, "an equal candidate is given up all the same"


def test_one_that_was_the_best_under_other_conditions_is_measured_anew(played):
    level = [played({TRADING: (0.9, 120), TRAVEL: (rate, 120)}, 1, 7) for rate in (0.85, 0.84)]
    assert not judged_beside((), *level).beside
    result = judged_beside((), *level, best={"TravelAPI": "former"})
    assert set(result.beside) == {"former"}
    assert result.next_samples == 1
