"""Attention in blocks is attention, and what it cannot do is noticed."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.compute.cpu import blocks
from loop.compute.cpu.cores import streams
from loop.compute.layout import Shape

K, D = 2, 64
lengths = st.one_of(st.integers(1, 600), st.sampled_from([127, 128, 129, 256]))


def drawn(*shape):
    return mx.array(np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32))


def plainly(queries, keys, values):
    """Attention and the logarithm of the sum of exponentials, in float64."""
    scores = np.einsum("knd,ktd->knt", *(np.array(part, dtype=np.float64) for part in (queries, keys)))
    highest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - highest)
    total = weights.sum(axis=-1, keepdims=True)
    return np.einsum("knt,ktd->knd", weights / total, np.array(values)), highest + np.log(total)


@pytest.fixture(scope="module")
def lanes():
    return streams(3)


@given(length=lengths, count=st.integers(1, 300), worth=st.sampled_from([0, 10**9]), size=st.sampled_from([8, D, 128]))
def test_it_is_attention_to_all_keys_by_any_number_of_queries_on_any_number_of_cores(length, count, worth, size, lanes):
    queries, keys, values = drawn(K, count, size) / size**0.5, drawn(K, length, size), drawn(K, length, size)
    laid = blocks.laid_out(keys, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "WORTH", worth)
        ways = [
            blocks.attend(queries, *laid, lanes),
            blocks.attend(queries, *laid, ()),
            blocks.attend_shifted(queries, *laid),
        ]
    output, logarithm = plainly(queries, keys, values)
    for found in ways:
        np.testing.assert_allclose(found[0], output, atol=2e-5)
        np.testing.assert_allclose(found[1], logarithm, atol=2e-5)
    assert blocks.in_range([found[1] for found in ways[:2]]).item()


@given(length=lengths, beginning=st.floats(0, 1))
def test_keys_and_values_come_back_as_they_were(length, beginning):
    keys, values = drawn(K, length, D), drawn(K, length + 1, D)[:, :length]
    first = max(1, int(beginning * length))
    for back, before in zip(blocks.beginning(*blocks.laid_out(keys, values), first), (keys, values), strict=True):
        assert mx.array_equal(back, before[:, :first]).item()


@given(length=lengths)
def test_memory_is_foreseen(length):
    laid = blocks.laid_out(drawn(K, length, D), drawn(K, length, D))
    assert sum(part.nbytes for part in laid) == blocks.nbytes_of(length, Shape(1, K, D, mx.float32))


def far(scores):
    """A query, and a key for each score that it has to have."""
    query, keys = np.zeros((1, 1, D), np.float32), np.zeros((1, len(scores), D), np.float32)
    query[0, 0, 0], keys[0, :, 0] = 1.0, scores
    return mx.array(query), mx.array(keys), drawn(1, len(scores), D)


@pytest.mark.parametrize(
    "scores",
    [
        [59.0],
        [-59.0],
        [0.0, -5000.0],
        [50.0, -86.0, -87.0, -88.0, -1e30],
        [-50.0] * 3000,
        [45.0] * 3000,
        [-58.0, -88.0],
    ],
)
def test_what_is_in_range_is_right(scores):
    queries, keys, values = far(scores)
    output, logarithm = blocks.attend(queries, *blocks.laid_out(keys, values), ())
    expected = plainly(queries, keys, values)
    assert blocks.in_range([mx.zeros((2, *logarithm.shape[1:])), logarithm]).item()
    np.testing.assert_allclose(output, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logarithm, expected[1], rtol=1e-5)


@pytest.mark.parametrize(
    "scores", [[61.0], [-61.0], [88.0], [89.0, 0.0], [200.0, 3.0], [1e30, 0.0], [-88.0] * 3000, [-1e30], [float("inf")]]
)
def test_what_is_not_in_range_is_noticed_and_right_when_shifted(scores):
    queries, keys, values = far(scores)
    laid = blocks.laid_out(keys, values)
    found = blocks.attend(queries, *laid, ())[1]
    assert not blocks.in_range([mx.zeros((2, *found.shape[1:])), found]).item()
    if np.isfinite(scores).all():
        output, logarithm = blocks.attend_shifted(queries, *laid)
        expected = plainly(queries, keys, values)
        np.testing.assert_allclose(output, expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(logarithm, expected[1], rtol=1e-5)


def test_no_number_is_noticed():
    assert not blocks.in_range([mx.array([1.0, float("nan")])]).item()
