"""A text that is read in parts side by side leaves the keys and values that the plain model leaves."""

import random

import mlx.core as mx
import pytest
from mlx_lm.models.cache import KVCache

from loop.compute.cpu import abreast, cores
from loop.compute.cpu.abreast import ParallelReader
from loop.student.engine.attention import SequenceReading, install
from loop.weights.loading import load
from loop.weights.tiny import tiny


@pytest.fixture
def model(tmp_path, request):
    return load(tiny(tmp_path, request.param))


def plain(model, tokens):
    caches = [KVCache() for _ in model.layers]
    model.model(mx.array([tokens]), cache=caches)
    return caches


@pytest.mark.parametrize("model", ["llama", "qwen3"], indirect=True)
@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 2, 23, 70])
def test_the_caches_are_those_of_the_plain_model(model, streams, length, monkeypatch):
    monkeypatch.setattr(abreast, "AT_ONCE", 31)  # so that the longest text is read in three goes
    rng = random.Random(length)
    before, tokens = ([rng.randrange(2, 400) for _ in range(count)] for count in (5, length))
    expected = plain(model, before + tokens)
    install(model)
    reader, found = ParallelReader(model), [SequenceReading() for _ in model.layers]
    reader.streams = cores.streams(streams)
    reader.read(before, found)
    reader.read(tokens, found)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.offset == theirs.offset == 5 + length
        for name in ("keys", "values"):
            one, other = (getattr(cache, name)[:, :, : cache.offset] for cache in (mine, theirs))
            assert mx.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_matrix_library_has_its_threads_back_afterwards(monkeypatch):
    told = []
    monkeypatch.setattr(cores, "blas_threads", lambda: 5)
    monkeypatch.setattr(cores, "set_blas_threads", told.append)
    monkeypatch.setattr(cores, "cores", lambda: 4)
    with pytest.raises(KeyError), cores.shared_among(cores.streams(2)):
        raise KeyError
    with cores.shared_among(cores.streams(1)):
        pass
    assert told == [2, 5]
