"""The gates' mathematics, against exact results, scipy, and known truths."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loop.gates.looks import attempt_share, ladder, share
from loop.gates.power import Conditions, power
from loop.gates.statistics import bounds, chance, mean_bounds, resamples

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


@given(st.integers(1, 8), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_looks_double_and_spend_exactly_the_whole_error(first, most):
    rungs = ladder(first, max(first, most))
    assert rungs[-1] == max(first, most)
    assert all(later <= 2 * earlier for earlier, later in pairwise(rungs))
    assert sum(share(rung, rungs) for rung in rungs) == pytest.approx(1.0)


@given(st.integers(1, 10_000))
@settings(max_examples=40, deadline=None)
def test_endless_attempts_never_spend_more_than_the_whole_error(attempts):
    assert sum(attempt_share(n) for n in range(1, attempts + 1)) == pytest.approx(1 - 1 / (attempts + 1))


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


@pytest.mark.parametrize(("tasks", "samples", "delta"), [(52, 8, 0.05), (72, 4, 0.10), (150, 4, 0.05)])
def test_the_power_formula_agrees_with_simulation(tasks, samples, delta):
    rng, rates = np.random.default_rng(5), np.full(tasks, 0.55)
    proven = [chance(rng.binomial(samples, rates + delta) - rng.binomial(samples, rates)) <= 0.05 for _ in range(600)]
    cell = power([tasks], [samples], [delta], Conditions(noise=0.245))[0]
    assert cell.improves == pytest.approx(np.mean(proven), abs=0.07)


def test_power_grows_with_tasks_plays_and_gain():
    small, large = (power([n], [4], [0.05])[0].improves for n in (50, 200))
    few, many = (power([50], [k], [0.05])[0].improves for k in (1, 32))
    little, much = (power([50], [4], [delta])[0].improves for delta in (0.02, 0.2))
    assert small < large
    assert few < many
    assert little < much


def test_power_repeats_the_figures_of_the_reference():
    cells = power([52, 150], [1, 4, 8], [0.05], Conditions(noise=0.18))
    assert [round(cell.improves, 2) for cell in cells] == pytest.approx([0.15, 0.33, 0.52, 0.27, 0.67, 0.89], abs=0.03)
