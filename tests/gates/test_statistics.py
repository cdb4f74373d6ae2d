"""The gates' mathematics, against exact results, scipy, and known truths."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from loop.gates.looks import Look, ladder, shares
from loop.gates.statistics import bounds, chance, mean_bounds, resamples, score_bounds

gains = st.lists(st.integers(-4, 4), min_size=1, max_size=12).map(np.array)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_with_one_play_a_task_the_test_of_improvement_is_mcnemars_exact_test(up, down, alike):
    signs = np.array([1] * up + [-1] * down + [0] * alike, dtype=np.int64)
    expected = stats.binomtest(up, up + down, alternative="greater").pvalue if up + down else 1.0
    assert chance(signs) == pytest.approx(expected, rel=1e-9)


@given(gains)
@settings(max_examples=40, deadline=None)
def test_the_test_of_improvement_counts_every_exchange_of_labels(found):
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(found))).reshape(len(found), -1)
    expected = ((signs * found[:, None]).sum(axis=0) >= found.sum()).mean()
    assert chance(found) == pytest.approx(expected, rel=1e-9)


@given(gains)
@settings(max_examples=40, deadline=None)
def test_a_loss_turned_into_a_win_never_makes_an_improvement_less_likely(found):
    better = np.concatenate([np.abs(found[:1]), found[1:]])
    assert chance(better) <= chance(found) + 1e-12


def test_the_test_of_improvement_agrees_with_scipys_permutation_test():
    found = np.random.default_rng(3).integers(-8, 9, 30)
    expected = stats.permutation_test((found,), np.sum, permutation_type="samples", alternative="greater", rng=1)
    assert chance(found) == pytest.approx(expected.pvalue, abs=0.01)


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=60), st.sampled_from([0.025, 0.05, 0.2]))
@settings(max_examples=25, deadline=None)
def test_bounds_enclose_the_mean_and_widen_with_confidence(found, error):
    differences = np.array(found) / 8
    low, high = bounds(differences, 8, error)
    wider = bounds(differences, 8, error / 4)
    assert wider[0] <= low <= differences.mean() <= high <= wider[1]
    assert low >= -1
    assert high <= 1


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=60))
@settings(max_examples=25, deadline=None)
def test_bounds_do_not_depend_on_the_order_of_tasks(found):
    differences = np.array(found) / 8
    assert bounds(differences, 8, 0.05) == pytest.approx(bounds(differences[::-1], 8, 0.05))


def test_the_same_scores_get_the_same_bounds():
    differences = np.random.default_rng(0).normal(0, 0.2, 50)
    assert bounds(differences, 4, 0.05) == bounds(differences, 4, 0.05)


def test_bounds_are_never_narrower_than_students_t():
    differences = np.random.default_rng(1).normal(0.1, 0.2, 40)
    student = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    low, high = mean_bounds(differences, 0.05)
    assert low <= student.low + 1e-12
    assert high >= student.high - 1e-12


def test_bounds_are_near_scipys_studentised_interval_where_that_is_known_to_be_right():
    differences = np.random.default_rng(2).normal(0.05, 0.3, 400)
    low, high = mean_bounds(differences, 0.025)
    student = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert low == pytest.approx(student.low, abs=0.004)
    assert high == pytest.approx(student.high, abs=0.004)


def test_tasks_that_all_agree_do_not_prove_more_than_their_number_allows():
    low, _ = bounds(np.zeros(12), 1, 0.05)
    assert low < -(1 - 0.05 ** (1 / 12)) + 0.06
    assert low < -0.10
    assert bounds(np.zeros(60), 1, 0.05)[0] > -0.10


@pytest.mark.parametrize("differences", [np.array([]), np.array([0.5])])
def test_fewer_than_two_tasks_prove_nothing(differences):
    assert bounds(differences, 4, 0.05) == (-1.0, 1.0)


@given(st.integers(2, 300))
@settings(max_examples=20, deadline=None)
def test_resamples_are_shares_that_sum_to_one(tasks):
    weights = resamples(tasks, 10)
    assert weights.shape == (10, tasks)
    assert np.allclose(weights.sum(axis=1), 1)


@given(st.integers(1, 60), st.integers(1, 900), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_looks_double_the_tasks_then_the_plays_and_spend_exactly_the_whole_error(first, tasks, most):
    looks = ladder(first, tasks, most)
    assert (looks[0], looks[-1]) == (Look(min(first, tasks), 1), Look(tasks, most))
    for earlier, later in pairwise(looks):
        assert earlier.tasks < later.tasks <= 2 * earlier.tasks or earlier.samples < later.samples
        assert earlier.tasks * earlier.samples < later.tasks * later.samples <= 2 * earlier.tasks * earlier.samples
        assert later.samples == 1 or later.tasks == tasks, "more plays of the same come last"
    parts = shares([look.tasks * look.samples for look in looks])
    assert sum(parts) == pytest.approx(1.0)
    assert list(parts) == sorted(parts), "most is kept for the last look"
    assert shares([1, 2, 4], 1) == pytest.approx((1 / 7, 2 / 7, 4 / 7))
    assert shares([1, 2, 4], 2) == pytest.approx((1 / 21, 4 / 21, 16 / 21))


def tangos(won, lost, tasks, difference):
    """The score test as published, by numbers: what is likeliest under the difference is looked for, not solved for."""

    def unlikely(only_champion):
        p = np.array([only_champion + difference, only_champion, 1 - 2 * only_champion - difference])
        return -stats.multinomial.logpmf([won, lost, tasks - won - lost], tasks, np.clip(p, 1e-300, None) / p.sum())

    found = optimize.minimize_scalar(
        unlikely, bounds=(max(0, -difference), (1 - difference) / 2), method="bounded", options={"xatol": 1e-12}
    )
    return (won - lost - tasks * difference) / np.sqrt(tasks * (2 * found.x + difference * (1 - difference)))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 60), st.sampled_from([0.001, 0.025, 0.05, 0.2]))
@settings(max_examples=30, deadline=None)
def test_score_bounds_are_where_the_score_test_turns(won, lost, alike, error):
    tasks = won + lost + alike
    low, high = (float(bound) for bound in score_bounds(np.array(won), np.array(lost), tasks, error))
    assert tangos(won, lost, tasks, low) == pytest.approx(stats.norm.isf(error), abs=0.01)
    assert tangos(won, lost, tasks, high) == pytest.approx(-stats.norm.isf(error), abs=0.01)


@pytest.mark.parametrize(("tasks", "margin"), [(20, 0.1), (30, 0.1), (60, 0.05), (60, 0.1), (90, 0.1), (90, 0.03)])
@pytest.mark.parametrize("changed", [0.0, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("error", [0.05, 0.01])
def test_of_candidates_worse_by_the_margin_no_more_than_stated_are_held_counted_exactly(tasks, margin, changed, error):
    changed = max(changed, margin)
    won, lost = np.meshgrid(np.arange(tasks + 1), np.arange(tasks + 1), indexing="ij")
    there = won + lost <= tasks
    won, lost = won[there], lost[there]
    outcomes = np.stack([won, lost, tasks - won - lost], axis=1)
    weight = stats.multinomial.pmf(outcomes, tasks, [(changed - margin) / 2, (changed + margin) / 2, 1 - changed])
    held = score_bounds(won, lost, tasks, error)[0] > -margin
    assert weight[held].sum() <= 1.3 * error, "where nothing is ever won, one lost task more or less is a step"


@pytest.mark.parametrize("shape", ["spread", "bimodal", "top"])
@pytest.mark.parametrize("samples", [1, 8])
def test_a_candidate_worse_by_the_margin_is_held_no_oftener_than_stated(shape, samples):
    rng, tasks = np.random.default_rng(7), 30
    old = {"spread": np.full(tasks, 0.6), "bimodal": np.repeat([0.95, 0.2], 15), "top": np.ones(tasks)}[shape]
    weights = resamples(tasks + 2)
    held = 0
    for _ in range(400):
        differences = (rng.binomial(samples, old - 0.1) - rng.binomial(samples, old)) / samples
        held += bounds(differences, samples, 0.05, weights)[0] > -0.1
    assert held / 400 <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 400)
