"""One process answers for several policies: adapters beside one base, each chosen by its name."""

import shutil

import httpx2
import mlx.core as mx
import openai
from mlx.utils import tree_flatten, tree_unflatten

from loop.routing import sets
from loop.routing.router import RoutedChoice
from loop.training import lora
from loop.types import GateResult, GateVerdict, Policy, Promotion, Standing
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


def crown(server, stock, specialist):
    """Have a set of both judged by a gate that holds, and promote it."""
    choices = {"GorillaFileSystem": RoutedChoice(policy=specialist.id, reason="better")}
    policy = sets.formed(sets.router(server.config, stock, choices), server.store)
    rnd = server.store.rounds.get(server.store.policies.propose(policy, "c", 1))
    rates = dict.fromkeys(("champion_rate", "candidate_rate", "difference", "low", "high", "margin"), 0.5)
    held = GateResult(gate="depth", verdict=GateVerdict.HOLDS, reason="", tasks=1, samples=1, **rates)
    server.store.gates.save(rnd, held)
    server.store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=True, reason="better"))
    return policy


def who(client, tools, text, model="loopd"):
    offered = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in tools]
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes?"}]
    answer = client.chat.completions.with_raw_response.create(
        model=model, messages=[*said, {"role": "user", "content": "Post a tweet."}], tools=offered, max_tokens=4
    )
    return answer.headers["loopd-policy"], answer.headers.get("loopd-route", "")


def test_a_promoted_set_answers_by_its_members_and_by_its_champion_where_one_is_gone(tmp_path):
    files, tweets = ("mv", "ls", "cd"), ("post_tweet", "retweet")
    with opened(tmp_path, share=True) as server:
        stock, specialist, _ = policies(server)
        with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
            assert who(client, files, "Move a into b.") == (stock.id, "")
            routed = crown(server, stock, specialist)
            for model in ("loopd", "loopd/champion", "loopd/routed", f"loopd/{routed.id[:12]}"):
                policy, why = who(client, files, "Move a into b.", model)
                assert policy == specialist.id
                assert why.startswith("GorillaFileSystem; confidence=")
                assert who(client, tweets, "Post it.", model)[0] == stock.id
            answer = client.responses.create(model="loopd", input="Hello.", max_output_tokens=4)
            assert answer.system_fingerprint == f"loopd-{stock.id[:12]}"
            shutil.rmtree(server.paths.adapter(specialist))
            policy, why = who(client, files, "Move a into b.")
            assert policy == stock.id
            assert f"the adapter of specialist {specialist.id[:12]} is gone" in why
