"""A policy's distance to its base is the plain sum over the vocabulary, whatever the plays share."""

import json
import random

import mlx.core as mx
import pytest
from mlx_lm.models import cohere
from mlx_lm.models.cache import KVCache

from loop.training import divergence
from loop.training.masks import TrainingRow
from loop.types import Catalogue, Message, Precision
from loop.types.jobs import Meter
from loop.weights.loading import load
from loop.weights.tiny import tiny


def plays(count=5):
    rng = random.Random(3)
    prefix = tuple(rng.randrange(200) for _ in range(40))
    rows = []
    for number in range(count):
        tokens = prefix[: 40 if number % 2 else 25] + tuple(rng.randrange(200) for _ in range(6 + number))
        loss = tuple(place > 20 and place % 3 == number % 3 for place in range(len(tokens) - 1))
        rows.append(TrainingRow(str(number), tokens, loss))
    return [*rows, rows[0]]


def plain(policy, base, play):
    p, q = (model(mx.array(play.tokens[:-1])[None])[0].astype(mx.float32) for model in (policy, base))
    p, q = (each - mx.logsumexp(each, axis=-1, keepdims=True) for each in (p, q))
    each = (mx.exp(p) * (p - q)).sum(axis=-1).tolist()
    learned = [value for value, place in zip(each, play.loss, strict=True) if place]
    return sum(learned) / len(learned)


@pytest.mark.parametrize("goes_back", [True, False])
@pytest.mark.parametrize("at_once", [7, 1024])
def test_plays_that_share_a_beginning_get_the_plain_distance(tmp_path, monkeypatch, at_once, goes_back):
    monkeypatch.setattr(divergence, "AT_ONCE", at_once)
    monkeypatch.setattr(KVCache, "is_trimmable", lambda _: goes_back)  # some families' caches cannot be
    base, policy = load(tiny(tmp_path)), load(tiny(tmp_path / "other", seed=1))
    pair = divergence.ModelPair(policy, base)
    for play in sorted(plays(), key=lambda play: play.tokens):
        assert pair.measure(play) == pytest.approx(plain(policy, base, play), rel=1e-3, abs=1e-6)


def test_a_family_that_scales_its_logits_is_measured_with_them_scaled():
    def model(seed):
        mx.random.seed(seed)
        made = cohere.Model(cohere.ModelArgs(
            model_type="cohere", hidden_size=32, num_hidden_layers=2, intermediate_size=64, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=300, logit_scale=0.25,
        ))  # fmt: skip
        made.model.embed_tokens.weight = mx.random.normal((300, 32))
        return made

    policy, base = model(1), model(2)
    pair = divergence.ModelPair(policy, base)
    for play in sorted(plays(), key=lambda play: play.tokens):
        assert pair.measure(play) == pytest.approx(plain(policy, base, play), rel=1e-3, abs=1e-6)


def test_the_base_is_no_distance_from_itself_and_a_rounded_one_is_some(tmp_path):
    base, rows = tiny(tmp_path), tmp_path / "rows.jsonl"
    said = [Message(role="user", content="Move the file"), Message(role="assistant", content="Done.")]
    row = {"messages": [message.model_dump(mode="json") for message in said], "catalogue": Catalogue().model_dump()}
    silent = {**row, "id": "silent", "messages": row["messages"][:1]}
    rows.write_text("\n".join(json.dumps(each) for each in ({**row, "id": "one"}, silent)))
    found = {
        precision: list(divergence.measure(Meter(base=base, precision=precision, template="compact", rows=rows)))
        for precision in Precision
    }
    assert [line.id for line in found[Precision.BASE]] == ["one"]
    assert found[Precision.BASE][0].kl == pytest.approx(0, abs=1e-6)
    assert found[Precision.FOUR][0].kl > found[Precision.EIGHT][0].kl > 1e-7
