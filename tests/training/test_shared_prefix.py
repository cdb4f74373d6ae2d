"""The shared-prefix loss is the plain loss: the same value, and the same gradient on every trainable tensor."""

import random

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest
from mlx import nn
from mlx.utils import tree_flatten
from mlx_lm.models import cohere, granite, qwen3

from loop.compute.pieces import whole
from loop.training import backprop, lora, shared_prefix
from loop.training.engine import TrainingEngine
from loop.training.lanes import Lanes
from loop.training.masks import TrainingRow, learned
from loop.training.prefix_tree import Packed, pack
from loop.training.schedule import split
from loop.types import Precision
from loop.types.jobs import Job
from loop.weights.export import fuse
from loop.weights.loading import load
from loop.weights.sources import embedded
from loop.weights.tiny import tiny


def forest(count, vocabulary, seed):
    """Rows of two prefixes, some with a longer one in common, one the beginning of another, one twice."""
    rng = random.Random(seed)

    def draw(size):
        return tuple(rng.randrange(vocabulary) for _ in range(size))

    prefixes, middle = (draw(60), draw(30)), draw(35)
    rows = []
    for number in range(count):
        shared = prefixes[number % 2] + (middle if number % 3 else ())
        tokens = shared + draw(rng.randrange(3, 40))
        loss = [place > len(shared) - 5 and rng.random() < 0.5 for place in range(len(tokens) - 2)] + [True]
        rows.append(TrainingRow(str(number), tokens, tuple(loss), weight=1 / sum(loss) if number % 2 else 1.0))
    short = rows[0].tokens[: len(prefixes[0]) + 2]
    return [*rows, TrainingRow("short", short, (False,) * (len(short) - 2) + (True,)), rows[1]]


def plain(model, rows):
    total = mx.array(0.0)
    for row in rows:
        logits = model(mx.array(row.tokens[:-1])[None])[0]
        losses = nn.losses.cross_entropy(logits, mx.array(row.tokens[1:]), reduction="none")
        total = total + row.weight * (losses * mx.array(row.loss)).sum()
    return total / learned(rows)


SHAPE = {
    "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "rms_norm_eps": 1e-6,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 4096,
    "rope_theta": 1e4, "vocab_size": 400,
}  # fmt: skip


def job_of(base, place, **settings):
    return Job(base=base, template="compact", rows=place, out=place, scratch=place, **settings)


def adapted(base, tmp_path, rank=8):
    model = load(base)
    lora.attach(model, job_of(base, tmp_path, rank=rank))
    for name, module in model.named_modules():
        if "lora_b" in module:  # zero at the start, which would hide an error in the other factor's gradient
            module.lora_b = mx.random.normal(module.lora_b.shape, key=mx.random.key(len(name))) * 0.1
    return model


def distance(one, other):
    one, other = dict(tree_flatten(one)), dict(tree_flatten(other))
    assert one.keys() == other.keys()
    return max(float(mx.linalg.norm(one[name] - other[name]) / mx.linalg.norm(one[name])) for name in one)


def shared(model, rows, lanes, budget=4096, **packing):
    total = learned(rows)
    with shared_prefix.stand_in(model, recompute=lanes.recompute):
        parts = [pack(part, total, **packing) for part in split(rows, lanes.count, budget)]
        return lanes.gradient(model, parts)[:2]


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize(("lanes", "budget"), [(1, 60), (1, 4096), (2, 60), (2, 4096)])
@pytest.mark.parametrize("written_out", [True, False])
def test_gradient_equals_the_plain_one_on_every_tensor(family, lanes, budget, written_out, tmp_path, monkeypatch):  # noqa: PLR0913 - the cases
    model = adapted(tiny(tmp_path, family), tmp_path)
    assert backprop.fits(model)
    if not written_out:  # as for a family whose blocks nobody wrote out
        monkeypatch.setattr(backprop, "fits", lambda _: False)
    rows = forest(7, model.args.vocab_size, seed=lanes)
    loss, gradient = nn.value_and_grad(model, plain)(model, rows)
    ours, our_gradient = shared(model, rows, Lanes(lanes), budget, least=16, block=24)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-5)
    assert distance(gradient, our_gradient) < 1e-4


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("precision", [Precision.EIGHT, Precision.FOUR])
def test_gradient_of_an_adapter_on_quantized_weights_is_the_plain_one(family, precision, tmp_path):
    model = adapted(fuse(tiny(tmp_path, family), None, tmp_path / "rounded", precision), tmp_path)
    rows = forest(7, model.args.vocab_size, seed=3)
    loss, gradient = nn.value_and_grad(model, plain)(model, rows)
    ours, our_gradient = shared(model, rows, Lanes(2), 200, least=16)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-5)
    assert distance(gradient, our_gradient) < 1e-4


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("written_out", [True, False])
def test_gradient_with_checkpointing_is_the_one_without(family, written_out, tmp_path, monkeypatch):
    model = adapted(tiny(tmp_path, family), tmp_path)
    if not written_out:
        monkeypatch.setattr(backprop, "fits", lambda _: False)
    rows = forest(7, model.args.vocab_size, seed=3)
    kept, again = (shared(model, rows, Lanes(2, recompute=recompute), 200, least=16) for recompute in (False, True))
    assert again[0].item() == kept[0].item()
    assert distance(kept[1], again[1]) < 1e-6


def test_checkpointing_keeps_less_memory(tmp_path):
    model = adapted(tiny(tmp_path, "qwen3"), tmp_path)
    model.model.layers = model.model.layers * 12  # 24 blocks
    rows = forest(12, model.args.vocab_size, seed=3)
    peaks = []
    for recompute in (False, True):
        lanes = Lanes(1, recompute=recompute)
        shared(model, rows, lanes)
        mx.reset_peak_memory()
        shared(model, rows, lanes)
        peaks.append(mx.get_peak_memory())
    assert peaks[1] < peaks[0] / 2


def test_a_large_vocabulary_is_no_cliff(monkeypatch):
    monkeypatch.setattr(shared_prefix, "CHUNK_BYTES", 2**20)

    def peak(positions):
        rng = np.random.default_rng(0)
        targets, weights = rng.integers(0, 5000, positions).astype(np.int32), np.ones(positions, np.float32)
        packed = Packed((), targets, targets, targets, targets, weights, 1, positions, {})
        table, hidden = mx.random.normal((5000, 8)), mx.random.normal((positions, 8))
        mx.eval(table, hidden)
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        mx.eval(whole(shared_prefix.cross_entropy(lambda x: x @ table.T, hidden, packed)))
        return mx.get_peak_memory() - before

    peaks = [peak(positions) for positions in (1000, 4000)]  # logits of 20 and 80 MB
    assert peaks[1] < 1.1 * peaks[0] + 2e6


def test_loss_curve_over_twenty_steps_is_the_plain_one(tmp_path):
    curves = []
    base = tiny(tmp_path, "qwen3")
    for kind in ("plain", "shared"):
        model, lanes, curve = adapted(base, tmp_path), Lanes(2), []
        optimizer = optim.AdamW(learning_rate=2e-3)
        for step in range(20):
            rows = forest(4, model.args.vocab_size, seed=step % 3)
            value = nn.value_and_grad(model, plain)(model, rows) if kind == "plain" else shared(model, rows, lanes)
            optimizer.update(model, value[1])
            mx.eval(model.parameters(), optimizer.state)
            curve.append(value[0].item())
        curves.append(curve)
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    assert curves[0][-1] < curves[0][0]


def test_the_model_is_itself_again_after_the_block(tmp_path):
    model = adapted(tiny(tmp_path, "llama"), tmp_path)
    tokens = mx.arange(12)[None]
    before = model(tokens)
    shared(model, forest(3, model.args.vocab_size, 0), Lanes(1))
    assert mx.array_equal(before, model(tokens))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("recompute", [True, False])
def test_gradient_of_all_weights_is_the_plain_one(tied, recompute, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_prefix, "CHUNK_BYTES", 2**15)
    model = qwen3.Model(qwen3.ModelArgs(**SHAPE, tie_word_embeddings=tied))
    lora.attach(model, job_of(tmp_path, tmp_path, fine_tune="full"))
    rows = forest(7, model.args.vocab_size, seed=2)
    loss, gradient = nn.value_and_grad(model, plain)(model, rows)
    ours, our_gradient = shared(model, rows, Lanes(2, recompute=recompute), 200, least=16)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-5)
    assert len(tree_flatten(our_gradient)) == len(tree_flatten(model.parameters()))
    assert distance(gradient, our_gradient) < 1e-4


SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 300,
}  # fmt: skip
SCALED = {
    "logits_scaling": 4.0, "attention_multiplier": 0.3, "embedding_multiplier": 3.0, "residual_multiplier": 0.5,
    "rms_norm_eps": 1e-6, "max_position_embeddings": 4096, "attention_bias": False, "mlp_bias": False,
    "rope_theta": 1e4, "tie_word_embeddings": True,
}  # fmt: skip


def coheres():
    return cohere.Model(cohere.ModelArgs(model_type="cohere", **SMALL, logit_scale=0.25))


def granites():
    return granite.Model(granite.ModelArgs(model_type="granite", **SMALL, **SCALED))


@pytest.mark.parametrize("family", [coheres, granites])
def test_a_family_that_a_forest_does_not_reach_trains_on_whole_rows(family, tmp_path):
    """Both scale their logits, which a bare head would leave out; Granite's blocks have the usual parts, but scale."""
    model = family()
    job = job_of(tmp_path, tmp_path, rank=4, batch_tokens=300)
    lora.attach(model, job)
    engine = TrainingEngine(model, job)
    assert engine.name == "plain"
    assert family.__name__[:-1] in engine.why
    rows = forest(7, 300, seed=1)
    loss, gradient = nn.value_and_grad(model, plain)(model, rows)
    with engine.open():
        ours, our_gradient = engine.gradient(rows, learned(rows))
        assert engine.loss(rows) == pytest.approx(loss.item(), rel=1e-5)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-5)
    some = {name for name, value in tree_flatten(gradient) if mx.abs(value).max().item() > 0}
    one, other = ({n: v for n, v in tree_flatten(tree) if n in some} for tree in (gradient, our_gradient))
    assert some
    assert distance(one, other) < 1e-4


def test_the_losses_of_single_tokens_are_the_plain_ones(tmp_path):
    model = adapted(tiny(tmp_path, "qwen3"), tmp_path)
    engine = TrainingEngine(model, job_of(tmp_path, tmp_path, batch_tokens=200, lanes=2))
    rows = forest(7, model.args.vocab_size, seed=4)[:-1]
    with engine.open():
        engine.gradient(rows, learned(rows))
    assert engine.told.keys() == {row.id for row in rows}
    for row in rows:
        losses = nn.losses.cross_entropy(model(mx.array(row.tokens[:-1])[None])[0], mx.array(row.tokens[1:]))
        assert engine.told[row.id] == pytest.approx(np.array(losses)[np.array(row.loss)], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_forest_reaches_the_families_it_is_made_for(family, tmp_path):
    assert shared_prefix.reaches(load(tiny(tmp_path, family)))


@pytest.mark.slow
def test_gradient_of_the_embedded_model_equals_the_plain_one(tmp_path):
    model = adapted(embedded(tmp_path), tmp_path, rank=16)
    rows = forest(3, 1000, seed=0)
    loss, gradient = nn.value_and_grad(model, plain)(model, rows)
    ours, our_gradient = shared(model, rows, Lanes(2), least=16)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-5)
    assert distance(gradient, our_gradient) < 1e-4
