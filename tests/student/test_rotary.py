"""Cosines and sines of a pass, worked out once, turn as the model's own embedding does."""

from types import SimpleNamespace

import mlx.core as mx
import pytest
from mlx import nn
from mlx_lm.models.rope_utils import initialize_rope

from loop.compute import rotary
from loop.compute.rotary import Rotary, offset, share_turns

SIZE = 16
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}


@pytest.fixture(autouse=True)
def cpu_of_linux(monkeypatch):
    monkeypatch.setattr(rotary, "slow_exp", lambda: True)


def model_with(*ropes):
    layers = [SimpleNamespace(self_attn=SimpleNamespace(rope=rope)) for rope in ropes]
    args = SimpleNamespace(hidden_size=4 * SIZE, num_attention_heads=4)
    return SimpleNamespace(args=args, layers=layers, model=SimpleNamespace(norm=nn.RMSNorm(4 * SIZE)))


def embeddings_of(model):
    return [layer.self_attn.rope for layer in model.layers]


@pytest.mark.parametrize("scaling", [None, LLAMA3, YARN, {"rope_type": "linear", "factor": 2.0}])
def test_every_kind_turns_queries_as_its_own_does(scaling):
    own = initialize_rope(SIZE, 10000.0, False, scaling, 512)
    model = model_with(own, initialize_rope(SIZE, 10000.0, False, scaling, 512))
    share_turns(model)
    shared, same = embeddings_of(model)
    assert isinstance(shared, Rotary)
    assert shared is same
    for positions in (mx.array([0, 5, 400]), mx.array([7, 7, 8])):
        for heads in (1, 3):
            x = mx.random.normal((3, heads, 1, SIZE), key=mx.random.key(heads))
            assert mx.allclose(shared(x, offset(model, positions)), own(x, offset=positions), atol=1e-6)


def test_a_second_engine_finds_it_shared():
    model = model_with(nn.RoPE(SIZE))
    share_turns(model)
    [shared] = embeddings_of(model)
    share_turns(model)
    assert embeddings_of(model) == [shared]


def test_its_gradient_is_that_of_the_models_own():
    model = model_with(own := nn.RoPE(SIZE))
    share_turns(model)
    [shared] = embeddings_of(model)
    positions = mx.array([3, 0, 90])
    x, d = (mx.random.normal((3, 2, 1, SIZE), key=mx.random.key(seed)) for seed in range(2))
    _, [theirs] = mx.vjp(lambda x: own(x, offset=positions), [x], [d])
    _, [ours] = mx.vjp(lambda x: shared(x, offset(model, positions)), [x], [d])
    assert mx.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("start", [0, 4, mx.array([3, 9])])
def test_what_comes_without_turns_goes_the_models_own_way(start):
    own = nn.RoPE(SIZE)
    x = mx.random.normal((2, 2, 9, SIZE))
    assert mx.array_equal(Rotary(own, SIZE)(x, offset=start), own(x, offset=start))


@pytest.mark.parametrize(
    "ropes",
    [
        (nn.RoPE(SIZE, traditional=True),),
        (nn.RoPE(SIZE // 2),),
        (nn.RoPE(SIZE, base=10000), nn.RoPE(SIZE, base=500)),
    ],
    ids=["pairs beside each other", "part of a head", "layers that differ"],
)
def test_embeddings_of_another_shape_are_left_as_they_are(ropes):
    model = model_with(*ropes)
    share_turns(model)
    assert embeddings_of(model) == list(ropes)
    assert offset(model, positions := mx.array([1, 2])) is positions


def test_where_the_own_is_fast_or_rounds_it_stays(monkeypatch):
    model = model_with(own := nn.RoPE(SIZE))
    model.model.norm.set_dtype(mx.bfloat16)
    share_turns(model)
    model.model.norm.set_dtype(mx.float32)
    monkeypatch.setattr(rotary, "slow_exp", lambda: False)
    share_turns(model)
    assert embeddings_of(model) == [own]
