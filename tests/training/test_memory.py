"""Memory is foreseen before the first step."""

import mlx.core as mx
import pytest

from loop.compute import memory
from loop.errors import ConfigError
from loop.runtime import ceiling
from loop.student import server
from loop.training import lora
from loop.types.jobs import Job
from loop.weights.loading import load
from loop.weights.tiny import tiny


@pytest.fixture
def model(tmp_path):
    base = tiny(tmp_path, "qwen3")
    model = load(base)
    lora.attach(model, Job(base=base, template="compact", rows=tmp_path, out=tmp_path, scratch=tmp_path))
    return model


def test_a_micro_batch_is_what_is_wanted_or_what_fits(model):
    plenty = 10 * (memory.fixed(model) + 4096 * 2 * memory.per_token(model))
    assert memory.budget(model, 4096, 2, plenty) == 4096
    tight = int((memory.fixed(model) + 1000 * 2 * memory.per_token(model)) / memory.SPARE) + 1
    assert 990 <= memory.budget(model, 4096, 2, tight) <= 1001
    assert memory.budget(model, 4096, 1, tight) == pytest.approx(2 * memory.budget(model, 4096, 2, tight), abs=2)


def test_checkpointing_fits_more_tokens_and_automatic_differentiation_fewer(model):
    assert memory.per_token(model, recompute=True) < memory.per_token(model)
    tight = int((memory.fixed(model) + 2000 * 2 * memory.per_token(model)) / memory.SPARE) + 1
    assert memory.budget(model, 4096, 2, tight, recompute=True) > memory.budget(model, 4096, 2, tight)
    assert memory.budget(model, 4096, 1, tight, traced=True) == pytest.approx(4000 / memory.TRACED, abs=2)


def test_a_block_of_other_parts_is_foreseen_by_its_width(model):
    known = memory.per_token(model)
    for block in model.layers:
        block["attention"] = block.pop("self_attn")
    assert known / 4 < memory.per_token(model) < known * 4


def test_too_little_is_said_before_anything_is_computed(model):
    with pytest.raises(ConfigError, match="of free memory"):
        memory.budget(model, 4096, 2, memory.fixed(model))
    assert memory.available() > 0


def test_a_ceiling_leaves_what_is_not_held_already(model, monkeypatch):
    assert ceiling.given(ceiling.environment(2)) == 2**31
    assert ceiling.given(ceiling.environment(None)) is None
    held = int(mx.get_active_memory())
    monkeypatch.setenv(ceiling.VARIABLE, str(held + 10**6))
    assert memory.available() == pytest.approx(10**6, abs=10**5)
    assert server._kv_bytes() == pytest.approx(10**6, abs=10**5)
    monkeypatch.setenv(ceiling.VARIABLE, "1")
    assert memory.available() == 0
    with pytest.raises(ConfigError, match=r"windows\.memory_gib allows"):
        server._kv_bytes()
    monkeypatch.delenv(ceiling.VARIABLE)
    assert server._kv_bytes() == server.LEAST_ROOM


def test_what_a_training_will_hold_grows_with_its_micro_batch(model):
    held = mx.get_active_memory()
    small, large = (memory.foreseen(model, tokens, 2) for tokens in (1000, 3000))
    assert small - held == pytest.approx(memory.fixed(model) + 2000 * memory.per_token(model), rel=0.01)
    assert large - small == 2 * 2000 * memory.per_token(model)


def test_freed_buffers_stay_within_what_is_spared():
    before = mx.set_cache_limit(0)
    try:
        memory.bound_cache()
        bound = mx.set_cache_limit(0)
    finally:
        mx.set_cache_limit(before)
    assert 0 < bound < memory.available() / 4
