"""Several adapters lie beside one base: each request is answered as its own policy answers alone."""

import json
import random
import subprocess
import sys

import httpx2
import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from safetensors.numpy import save_file

from loop.errors import Unsafe
from loop.student.engine.adapters import Adapters, AdapterSpan, spans
from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.student.engine.interface import Unservable
from loop.student.engine.plain import PlainEngine
from loop.student.engine.stored import PrefixDirectory
from loop.weights.adapters import publish
from loop.weights.loading import load
from loop.weights.sources import directory_digest
from loop.weights.tiny import tiny

VOCABULARY = range(2, 400)
KEYS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj", "mlp.gate_proj")


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def base(request, tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"), request.param, stops=False)


def adapter(base, directory, seed, keys=KEYS, **more):
    """An adapter that changes what is said, published."""
    rank, kind = more.get("rank", 2), more.get("kind", "lora")
    sizes = {name: leaf.shape for name, leaf in tree_flatten(load(base).parameters())}
    rng, tensors = np.random.default_rng(seed), {}
    for layer in (0, 1):
        for key in keys:
            outputs, inputs = sizes[f"model.layers.{layer}.{key}.weight"]
            name = f"model.layers.{layer}.{key}"
            tensors[f"{name}.lora_a"] = rng.standard_normal((inputs, rank)).astype(np.float32)
            tensors[f"{name}.lora_b"] = rng.standard_normal((rank, outputs)).astype(np.float32)
    directory.mkdir(parents=True)
    save_file(tensors, directory / "adapters.safetensors")
    parameters = {"rank": rank, "scale": 0.5, "dropout": 0.0, "keys": list(keys)}
    told = {"fine_tune_type": kind, "num_layers": 2, "lora_parameters": parameters}
    (directory / "adapter_config.json").write_text(json.dumps(told))
    return publish(directory, directory.parent / "published", base=directory_digest(base)).path


@pytest.fixture(scope="module")
def published(base, tmp_path_factory):
    place = tmp_path_factory.mktemp("adapters")
    return {
        "files": adapter(base, place / "files", 1),
        "trading": adapter(base, place / "trading", 2, keys=KEYS[:2], rank=4),
    }


def several(base, published, **settings):
    model = load(base)
    beside = Adapters(model)
    for name, path in published.items():
        beside.add(name, path, base)
    return Engine(model, beside=beside, **settings)


def answers(engine, requests):
    ids = [engine.submit(request) for request in requests]
    found = {}
    while engine.busy:
        found |= {answer.id: answer for answer in engine.step()}
    return [found[identity].tokens for identity in ids]


def drawn(seed, length):
    rng = random.Random(seed)
    return tuple(rng.choice(VOCABULARY) for _ in range(length))


def asked(name, seed, prefix=0):
    shared = drawn(0, 40) if prefix else ()
    return TokenRequest(tokens=shared + drawn(seed, 12), prefix=len(shared), max_tokens=14, adapter=name)


def test_each_request_is_answered_as_by_its_own_policy_alone(base, published):
    requests = [asked(name, seed, seed % 2) for seed in range(5) for name in ("", "files", "trading")]
    mixed = answers(several(base, published), requests)
    for name in ("", "files", "trading"):
        alone = Engine(load(base, published.get(name)))
        mine = [index for index, request in enumerate(requests) if request.adapter == name]
        wanted = answers(alone, [requests[index].model_copy(update={"adapter": ""}) for index in mine])
        assert [mixed[index] for index in mine] == wanted, name
    assert len(set(mixed)) > 10, "adapters change what is said"


def test_what_one_policy_read_is_never_taken_for_what_another_did(base, published):
    engine = several(base, published)
    for prefix in (0, 1):
        said = {name: answers(engine, [asked(name, 7, prefix)])[0] for name in ("", "files", "trading")}
        assert len(set(said.values())) == 3
        for name in ("trading", "", "files"):
            follow = asked(name, 7, prefix)
            longer = follow.model_copy(update={"tokens": follow.tokens + said[name] + drawn(9, 5)})
            alone = Engine(load(base, published.get(name)))
            assert answers(engine, [longer]) == answers(alone, [longer.model_copy(update={"adapter": ""})])
    assert len({prefix.name.adapter for prefix in engine.prefixes._kept.values()}) == 3


def test_prefixes_on_disk_belong_to_their_adapter(base, published, tmp_path):
    place = PrefixDirectory(directory=tmp_path, budget=2**30, policy="p", template="t")
    requests = [
        TokenRequest(tokens=drawn(3, 200) + drawn(4, 3), prefix=200, max_tokens=6, adapter=name)
        for name in ("files", "")
    ]
    first = several(base, published, stored=place)
    first.prefixes.stored._rate = 1e15  # as if reading took no time: these are small
    wanted = answers(first, requests)
    first.prefixes.stored.flush()
    again = several(base, published, stored=place)
    again.prefixes.stored._rate = 1e15
    assert answers(again, requests) == wanted
    assert again.stats.prefix_loads == 2


def test_memory_is_one_base_and_what_the_adapters_weigh(base, published):
    engine = several(base, published)
    weights = sum(leaf.nbytes for _, leaf in tree_flatten(load(base).parameters()))
    mine = sum(mx.load(str(path / "adapters.safetensors"))[name].nbytes for path in published.values()
               for name in mx.load(str(path / "adapters.safetensors")))  # fmt: skip
    assert engine.stats.adapters == ("files", "trading")
    assert engine.stats.adapter_bytes == mine
    assert sum(leaf.nbytes for _, leaf in tree_flatten(engine.model.parameters())) == weights


def test_an_adapter_that_is_not_there_is_refused(base, published):
    with pytest.raises(Unservable, match=r"no adapter 'fils'.*files, trading"):
        several(base, published).submit(asked("fils", 1))
    with pytest.raises(Unservable, match="no adapter"):
        PlainEngine(load(base)).submit(asked("files", 1))


def test_what_cannot_lie_beside_the_base_is_refused(base, tmp_path):
    beside = Adapters(load(base))
    with pytest.raises(Unsafe, match="not a LoRA"):
        beside.add("x", adapter(base, tmp_path / "dora" / "x", 1, kind="dora"), base)
    other = tiny(tmp_path / "other", "qwen2", stops=False)
    with pytest.raises(Unsafe):
        beside.add("x", adapter(other, tmp_path / "else" / "x", 1), base)
    assert beside.names == ("",)


def test_tokens_that_follow_each_other_are_one_span():
    assert spans([("a", 2), ("a", 1), ("", 3), ("a", 1)]) == (
        AdapterSpan("a", 0, 3),
        AdapterSpan("", 3, 6),
        AdapterSpan("a", 6, 7),
    )
    assert spans([]) == ()


def test_the_server_answers_with_the_adapter_that_a_request_names(base, published, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    command = [sys.executable, "-m", "loop.student.server", "--base", base, "--template", "compact"]
    beside = [word for name, path in published.items() for word in ("--beside", f"{name}={path}")]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--token-file", token, *beside], **options) as child:
        url = f"http://127.0.0.1:{json.loads(child.stdout.readline())['port']}"
        with httpx2.Client(headers={"Authorization": "Bearer secret"}, trust_env=False, timeout=60) as http:

            def ask(**more):
                told = {"messages": [{"role": "user", "content": "Go."}], "max_tokens": 8, **more}
                return http.post(f"{url}/v1/chat/completions", json=told)

            found = [
                ask(adapter=name).json()["choices"][0]["message"]["token_ids"] for name in ("", "files", "trading")
            ]
            assert len({tuple(tokens) for tokens in found}) == 3
            assert ask().json()["choices"][0]["message"]["token_ids"] == found[0]
            assert ask(adapter="none").status_code == 400
            assert http.get(f"{url}/v1/stats").json()["adapters"] == ["files", "trading"]
        child.stdin.close()
    merged = [*command, "--token-file", token, *beside, "--adapter", published["files"]]
    with subprocess.Popen(merged, **options) as child:  # its stdin stays open: it ends when that does
        assert child.wait() == 78
        assert "Adapters share the base" in child.stderr.read()
