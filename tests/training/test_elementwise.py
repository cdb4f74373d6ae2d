"""The fast exponential is the exponential."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.compute.cpu import elementwise


@settings(deadline=None)
@given(st.lists(st.floats(-87, 88, width=32), min_size=1, max_size=50))
def test_exp_is_right_to_float32(values):
    x = np.array(values, np.float32)
    ours = np.array(elementwise._compiled_exp(mx.array(x)), np.float64)
    np.testing.assert_allclose(ours, np.exp(x.astype(np.float64)), rtol=3e-7)


def test_shapes_that_it_has_seen_are_forgotten_before_they_are_too_many():
    compiled = elementwise.Compiled(lambda x: x + 1)
    for count in [*range(1, elementwise.SHAPES + 40), 3, 500]:
        assert compiled(mx.zeros(count)).tolist() == [1.0] * count
        assert len(compiled.shapes) <= elementwise.SHAPES
    before = compiled.compiled
    compiled(mx.zeros(500))
    assert compiled.compiled is before


def test_below_the_range_it_stays_at_its_end():
    ours = elementwise._compiled_exp(mx.array([-np.inf, -1e30, -88.0]))
    assert 0 < ours[0].item() == ours[1].item() == ours[2].item() < 1e-37


@pytest.mark.parametrize("gate", [-1e30, -200.0, -88.5, 200.0, 1e30])
def test_swiglu_of_a_gate_beyond_the_range_is_that_of_its_limit(gate):
    x = mx.array([gate])
    expected = gate if gate > 0 else 0.0
    assert elementwise.swiglu(x, mx.ones(1)).item() == pytest.approx(expected, abs=1e-7 * abs(gate))
    gradients = elementwise.gated_gradient(elementwise.exp_negative(x), x, mx.ones(1), mx.ones(1))
    assert [part.item() for part in gradients] == pytest.approx([float(gate > 0), expected], abs=1e-7 * abs(gate))


def test_swiglu_gradient_is_that_of_automatic_differentiation():
    gate, up, d = (mx.random.normal((7, 5), key=mx.random.key(seed)) * 4 for seed in range(3))
    _, expected = mx.vjp(lambda g, u: g * mx.sigmoid(g) * u, [gate, up], [d])
    ours_of_both = elementwise.gated_gradient(elementwise.exp_negative(gate), gate, up, d)
    for ours, theirs in zip(ours_of_both, expected, strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-4, atol=1e-6)


@settings(deadline=None)
@given(
    rows=st.integers(1, 5),
    width=st.sampled_from([1, 2, elementwise.WIDE, elementwise.WIDE + 1, 3 * elementwise.WIDE - 1, 5000]),
    seed=st.integers(0, 99),
)
def test_rows_have_the_sum_and_the_maximum_that_mlx_gives_them(rows, width, seed):
    x = mx.random.uniform(shape=(2, rows, width), key=mx.random.key(seed))
    total, highest = elementwise.row_sum(x), elementwise.row_max(x)
    np.testing.assert_allclose(np.array(total), np.array(x.sum(axis=-1, keepdims=True)), rtol=1e-5)
    assert mx.array_equal(highest, x.max(axis=-1, keepdims=True))
