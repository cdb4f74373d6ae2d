"""A champion that changes while people ask: nobody's request fails, and each answer says whose it is."""

import itertools
import threading
import time

import openai
import pytest

from loop.types import GateResult, GateVerdict, Policy, Standing

from .conftest import opened, servers

ASK = [{"role": "user", "content": "go"}]
RATES = dict.fromkeys(("champion_rate", "candidate_rate", "difference", "low", "high", "margin"), 0.5)


@pytest.fixture
def server(tmp_path):
    with opened(tmp_path, keep=3) as found:
        yield found


def promoted(server, champion, policy):
    rnd = server.store.rounds.open("c", 0)
    server.store.policies.add(policy, Standing.CANDIDATE, round=rnd)
    held = GateResult(
        gate="depth", verdict=GateVerdict.HOLDS, reason="", tasks=1, samples=1, champion=champion.id, **RATES
    )
    server.store.gates.save(rnd, held)
    server.store.promotions.promote(policy.id, "a test")


def fingerprint(policy):
    return f"loopd-{policy.id[:12]}"


class People(threading.Thread):
    """Somebody who asks again and again."""

    def __init__(self, server, ended):
        super().__init__()
        self.server, self.ended, self.heard, self.failures = server, ended, [], []

    def run(self):
        with openai.OpenAI(base_url=self.server.url, api_key=self.server.key, max_retries=0) as client:
            while not self.ended.is_set():
                try:
                    chunks = list(
                        client.chat.completions.create(
                            model="loopd", messages=ASK, max_tokens=30, temperature=1.0, stream=True
                        )
                    )
                except openai.OpenAIError as error:
                    self.failures.append(error)
                    continue
                [print_] = {chunk.system_fingerprint for chunk in chunks}
                self.heard.append((print_, chunks[-1].choices[0].finish_reason))


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_promotion_and_a_rollback_fail_no_request_and_the_old_one_leaves(server):
    stock = Policy(base=server.base.digest, system="You act with tools.", template="compact")
    tuned = stock.model_copy(update={"system": "You act.", "parent": stock.id})
    server.store.policies.add(stock, Standing.CHAMPION)
    ended = threading.Event()
    people = [People(server, ended) for _ in range(4)]
    for each in people:
        each.start()
    until(lambda: all(len(each.heard) > 2 for each in people))
    promoted(server, stock, tuned)
    until(lambda: all(each.heard[-1][0] == fingerprint(tuned) for each in people))
    server.store.promotions.roll_back(stock.id, "a test")
    until(lambda: all(each.heard[-1][0] == fingerprint(stock) for each in people))
    ended.set()
    for each in people:
        each.join()
        assert each.failures == []
        assert {finish for _, finish in each.heard} <= {"stop", "length"}
        order = [print_ for print_, _ in each.heard]
        changes = sum(one != other for one, other in itertools.pairwise(order))
        assert changes == 2
    until(lambda: not servers(), 20)
    until(lambda: not list(server.paths.run.glob("answers-*")), 20)


def test_a_new_champion_is_loaded_before_anybody_asks(server):
    stock = Policy(base=server.base.digest, system="You act with tools.", template="compact")
    tuned = stock.model_copy(update={"system": "You act.", "parent": stock.id})
    server.store.policies.add(stock, Standing.CHAMPION)
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        client.chat.completions.create(model="loopd", messages=ASK, max_tokens=2)
        [first] = servers()
        promoted(server, stock, tuned)
        until(lambda: {each.pid for each in servers()} - {first.pid})
        answer = client.chat.completions.create(model="loopd", messages=ASK, max_tokens=2)
        assert answer.system_fingerprint == fingerprint(tuned)
    assert len(servers()) <= 2


def test_a_server_that_was_killed_is_started_again(server):
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        ask = {"model": "loopd", "messages": ASK, "max_tokens": 4}
        client.chat.completions.create(**ask)
        for _ in range(2):
            servers()[0].kill()
            assert client.chat.completions.create(**ask).choices


def test_the_one_that_was_asked_the_longest_ago_makes_room(server):
    stock = Policy(base=server.base.digest, system="You act with tools.", template="compact")
    server.store.policies.add(stock, Standing.CHAMPION)
    others = [stock.model_copy(update={"system": f"You act {way}."}) for way in ("fast", "well")]
    for each in others:
        server.store.policies.add(each, Standing.SPECIALIST)
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        for policy in (stock, *others):
            answer = client.chat.completions.create(model=f"loopd/{policy.id[:12]}", messages=ASK, max_tokens=2)
            assert answer.system_fingerprint == fingerprint(policy)
        until(lambda: len(servers()) <= 2, 10)


def test_a_machine_that_is_reserved_for_the_loop_refuses_people_by_name_while_the_loop_works(tmp_path):
    working = [True]
    with (
        opened(tmp_path, priority="loop", busy=lambda: working[0]) as server,
        openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError, match=r"serve\.priority") as refused:
            client.chat.completions.create(model="loopd", messages=ASK, max_tokens=2)
        assert (refused.value.status_code, refused.value.code) == (503, "reserved_for_the_loop")
        assert int(refused.value.response.headers["retry-after"]) > 0
        working[0] = False
        assert client.chat.completions.create(model="loopd", messages=ASK, max_tokens=2).choices
