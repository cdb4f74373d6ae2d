"""One process answers for several policies: adapters beside one base, each chosen by its name."""

import httpx2
import mlx.core as mx
import openai
from mlx.utils import tree_flatten, tree_unflatten

from loop.training import lora
from loop.types import Policy, Standing
from loop.types.jobs import Job
from loop.weights import adapters, loading

from .conftest import opened, servers

ASK = {"messages": [{"role": "user", "content": "go"}], "max_tokens": 24}


def published(server, seed):
    """Publish an adapter of random numbers."""
    place = server.paths.scratch
    job = Job(base=server.base.path, template="compact", rows=place, out=place / f"out-{seed}", scratch=place, rank=4)
    model = loading.load(server.base.path)
    lora.attach(model, job)
    weights = [
        (name, mx.random.normal(value.shape, key=mx.random.key(seed)) if name.endswith("lora_b") else value)
        for name, value in tree_flatten(model.trainable_parameters())
    ]
    model.update(tree_unflatten(weights))
    lora.save(model, job)
    return adapters.publish(job.out, server.paths.models, base=server.base.digest).id


def policies(server):
    stock = Policy(base=server.base.digest, system="You act with tools.", template="compact")
    made = [stock, *(stock.model_copy(update={"adapter": published(server, seed)}) for seed in (1, 2))]
    server.store.policies.add(stock, Standing.CHAMPION)
    for each in made[1:]:
        server.store.policies.add(each, Standing.SPECIALIST)
    return made


def said(client, policy):
    answer = client.chat.completions.create(model=f"loopd/{policy.id[:12]}", **ASK)
    assert answer.system_fingerprint == f"loopd-{policy.id[:12]}"
    return answer.choices[0].message.content


def answers(home, *, share):
    with opened(home, share=share, models=3) as server:
        made = policies(server)
        with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
            found = [said(client, policy) for policy in made]
        assert len(servers()) == (1 if share else 3)
        told = httpx2.get(f"{server.url}/stats", headers=server.headers, timeout=30).json()["models"]
        assert [len(each["adapters"]) for each in told] == ([2] if share else [0, 0, 0])
        assert all(0 < each["adapter_bytes"] < each["base_bytes"] for each in told if each["adapters"])
        assert all(each["state"] == "ready" for each in told)
    return found


def test_each_policy_answers_the_same_from_one_process_or_from_its_own(tmp_path):
    one, several = (answers(tmp_path / str(share), share=share) for share in (True, False))
    assert one == several
    assert len(set(one)) == 3
