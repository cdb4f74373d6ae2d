"""Layers cut into parts give what the whole ones give, for a few rows, and are the whole ones for all else."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from mlx import nn
from mlx.utils import tree_flatten
from mlx_lm.models import llama

from loop.compute.cpu import blocks, parallel
from loop.compute.cpu.cores import streams
from loop.compute.cpu.parallel import ColumnParallel, Cores, LayerPart, Mlp, head, install, rows, width
from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.weights.loading import load
from loop.weights.tiny import tiny

sizes = st.one_of(st.integers(1, 300), st.sampled_from([96, 192, 576]))
shapes = st.one_of(st.integers(1, 12), st.tuples(st.integers(1, 4), st.integers(1, 3)))


@pytest.fixture(scope="module")
def lanes():
    return streams(3)


@pytest.fixture(autouse=True, params=[True, False], ids=["AVX-512", "other kernels"])
def as_on_linux(monkeypatch, request):
    monkeypatch.setattr(parallel, "of_use", lambda dtype: dtype == mx.float32)
    for module in (blocks, parallel):
        monkeypatch.setattr(module, "packs_little", lambda: request.param)


def layer_of(outputs, inputs, *, bias):
    layer = nn.Linear(inputs, outputs, bias=bias)
    layer.weight = mx.random.normal((outputs, inputs), key=mx.random.key(outputs)) / inputs**0.5
    if bias:
        layer.bias = mx.random.normal((outputs,), key=mx.random.key(inputs))
    return layer


def drawn(shape, size):
    return mx.random.normal((*shape, size) if isinstance(shape, tuple) else (shape, 1, size), key=mx.random.key(3))


@example(size=(8, 64), shape=3, bias=True, count=3)  # one block, and three that could take it
@given(size=st.tuples(sizes, sizes), shape=shapes, bias=st.booleans(), count=st.integers(1, 3))
def test_a_layer_in_parts_is_the_layer(size, shape, bias, count, lanes):
    assume(width(*size))
    layer, x, cores = layer_of(*size, bias=bias), drawn(shape, size[1]), Cores(lanes[:count])
    cut = ColumnParallel(layer, cores, cores.streams)
    expected = layer(x)
    assert mx.array_equal(cut(x), expected).item()  # at rest it is the layer itself
    with cores.taken():
        found = cut(x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(outputs=st.integers(1, 200_000), inputs=st.integers(1, 20_000))
def test_blocks_hold_all_outputs_and_are_small(outputs, inputs):
    found = width(outputs, inputs)
    if found:
        assert outputs % found == 0
        assert found * rows() <= parallel.AREA
        assert found * rows() * inputs <= blocks.small()


def test_more_rows_are_left_to_the_layer_itself(lanes, monkeypatch):
    cores = Cores(lanes)
    cut = ColumnParallel(layer_of(64, 64, bias=False), cores, cores.streams)
    with cores.taken():
        assert cores.serve(drawn(rows(), 64))
        assert not cores.serve(drawn(rows() + 1, 64))
        monkeypatch.setattr(ColumnParallel, "of", None)
        assert cut(drawn(rows() + 1, 64)).shape == (rows() + 1, 1, 64)


@given(shape=shapes, bias=st.booleans(), size=st.sampled_from([48, 64, 176]))
def test_an_mlp_in_parts_is_the_mlp(shape, bias, size, lanes):
    args = llama.ModelArgs("llama", 32, 1, size, 2, 1e-6, 100, mlp_bias=bias)
    mlp, x, cores = llama.MLP(args), drawn(shape, 32), Cores(lanes)
    cut = Mlp(mlp, cores)
    expected = mlp(x)
    assert mx.array_equal(cut(x), expected).item()
    with cores.taken():
        np.testing.assert_allclose(cut(x), expected, atol=1e-6)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_model_keeps_its_weights_where_they_are_and_as_they_are_called(family, tmp_path, lanes):
    model = load(tiny(tmp_path, family))
    x, before = mx.array([[5, 6, 7]]), tree_flatten(model.parameters())
    expected, held = model(x), mx.get_active_memory()
    cores = install(model, lanes)
    makes_logits = head(model, cores)
    mx.eval(expected)
    assert mx.get_active_memory() - held < sum(part.nbytes for _, part in before) / 10
    assert [(name, id(part)) for name, part in sorted(tree_flatten(model.parameters()))] == [
        (name, id(part)) for name, part in sorted(before)
    ]
    assert isinstance(makes_logits, ColumnParallel)
    assert all(isinstance(layer.mlp, Mlp) for layer in model.layers)
    with cores.taken():
        np.testing.assert_allclose(makes_logits(model.model(x)), expected, atol=1e-5)
    assert install(model, lanes[:1]) is cores


def test_the_engine_speaks_with_parts_and_reads_without(tmp_path, monkeypatch):
    engine = Engine(load(tiny(tmp_path, "llama", stops=False)))
    engine.guesses = 0
    seen, of = [], LayerPart.of
    monkeypatch.setattr(LayerPart, "of", lambda part, pieces: seen.append(pieces[0].shape[0]) or of(part, pieces))
    engine.submit(TokenRequest(tokens=tuple(range(5, 6 + rows())), max_tokens=2))
    engine.step()
    assert seen == [1] * len(engine.head.parts)  # of what was read, the head alone
    engine.step()
    layers = len(engine.model.layers)
    assert set(seen) == {1}
    assert len(seen) >= 7 * layers  # queries, keys, values, outputs, and three of the MLP


def test_what_cannot_be_cut_or_gains_nothing_stays_what_it_is(tmp_path, lanes):
    for change in (
        lambda model: nn.quantize(model, group_size=32, bits=8),
        lambda model: model.set_dtype(mx.bfloat16),
    ):
        model = load(tiny(tmp_path, "llama"))
        change(model)
        before = [id(module) for _, module in model.named_modules()]
        cores = install(model, lanes)
        assert head(model, cores).__class__ is not ColumnParallel
        assert [id(module) for _, module in model.named_modules()] == before
    assert not parallel._can_be_cut(layer_of(7, 64, bias=False))
    assert not parallel._can_be_cut(layer_of(64, 10_000, bias=False))
