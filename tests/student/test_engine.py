import math
import random

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.generate import generate_step
from mlx_lm.models import llama, qwen3

from loop.compute.cpu import blocks
from loop.compute.layout import PAGE
from loop.errors import ConfigError
from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.student.engine.interface import Queue, Unservable
from loop.student.engine.plain import PlainEngine
from loop.student.sampling import SamplingParams, choose
from loop.templates.render import Renderer
from loop.types import Message, Precision
from loop.weights import loading
from loop.weights.loading import load
from loop.weights.sources import embedded
from loop.weights.tiny import tiny
from task_generators.backends.catalogues import catalogue, tools_of

VOCABULARY = range(2, 400)
ORIGINAL = {
    module: {name: getattr(module, name) for name in ("swiglu", "scaled_dot_product_attention")}
    for module in (llama, qwen3)
}
"""mlx-lm's own functions: the engine puts others in their place for the whole process."""
BACKENDS = ("GorillaFileSystem", "TradingBot", "TravelAPI", "VehicleControlAPI")
ASKED = (
    "Please look at what there is and tell me what you would do first.",
    "What is the cheapest way to get there tomorrow?",
    "Move the report to the archive, then say where it is.",
    "Is everything closed? If not, close what is open.",
    "Find the largest one and compare it with the others.",
)
RESULTS = (
    '{"status": "ok", "items": [4, 17, 23], "note": "two of them are new"}',
    '{"status": "error", "reason": "the item is locked by somebody else"}',
    "null",
)


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def model(request, tmp_path_factory):
    return load(tiny(tmp_path_factory.mktemp("models"), request.param, stops=False))


def drawn(rng, low, high):
    return tuple(rng.choice(VOCABULARY) for _ in range(rng.randint(low, high)))


def plain(model, tokens, count):
    """Greedy continuation by mlx-lm's own generate, alone, and with mlx-lm's own functions."""
    with pytest.MonkeyPatch.context() as patch:
        for module, functions in ORIGINAL.items():
            for name, function in functions.items():
                patch.setattr(module, name, function)
        steps = generate_step(mx.array(tokens), model, max_tokens=count)
        return tuple(int(token) for token, _ in steps)


def answers(engine, requests, rng=None):
    """Each request's answer; with a source of chance they arrive while others are being answered."""
    ids, found, coming = [], {}, list(requests)
    while coming or engine.busy:
        while coming and (rng is None or rng.random() < 0.7 or not engine.busy):
            ids.append(engine.submit(coming.pop(0)))
        found |= {answer.id: answer for answer in engine.step()}
    return [found[one] for one in ids]


def plays(rng, count, prefixes=3):
    shared = [drawn(rng, 20, 80) for _ in range(prefixes)]
    begun = [(rng.choice(shared), drawn(rng, 1, 30)) for _ in range(count)]
    # Samples of one task: the same prefix and the same request.
    return [(begun[index // 2] if index % 4 == 0 else one) for index, one in enumerate(begun)]


def check_plays(model, engine, rng, *, count, steps):
    """Multi-turn plays in one engine against each of their prompts alone."""
    going = [(len(prefix), prefix + user) for prefix, user in plays(rng, count)]
    checked = 0
    for _ in range(steps):
        asked = [TokenRequest(tokens=tokens, prefix=prefix, max_tokens=rng.randint(1, 16)) for prefix, tokens in going]
        got = answers(engine, asked, rng)
        for request, answer in zip(asked, got, strict=True):
            assert answer.tokens == plain(model, request.tokens, len(answer.tokens))
            checked += 1
        going = [(prefix, tokens + got[i].tokens + drawn(rng, 1, 12)) for i, (prefix, tokens) in enumerate(going)]
        rng.shuffle(going)
    return checked


def test_greedy_tokens_are_those_of_plain_generate_in_any_batch(model):
    rng = random.Random(1)
    engine = Engine(model, max_rows=5)
    assert check_plays(model, engine, rng, count=14, steps=3) == 42
    assert not engine.stats.rows
    assert 0 < engine.stats.right < engine.stats.guessed  # both ends of a guess were tried


def test_a_prefix_that_is_not_in_blocks_gives_the_same_tokens(model, monkeypatch):
    monkeypatch.setattr(blocks, "slow_exp", lambda: False)
    engine = Engine(model, max_rows=5)
    check_plays(model, engine, random.Random(4), count=6, steps=2)
    assert not engine.prefixes.in_blocks


def test_scores_too_far_from_nought_are_noticed_and_the_step_is_computed_again(model, monkeypatch):
    rng = random.Random(5)
    engine = Engine(model, max_rows=5)
    check_plays(model, engine, rng, count=6, steps=1)
    assert not any(layer.shifted for layer in engine.layers)
    for layer in model.layers[-1:]:
        monkeypatch.setattr(layer.self_attn, "scale", 3000 * layer.self_attn.scale)
    engine = Engine(model, max_rows=5)
    check_plays(model, engine, rng, count=6, steps=2)
    assert all(layer.shifted for layer in engine.layers)


def spoken_plays(renderer, count):
    """The first messages of plays over four backends, two samples of each task, in text that people would write."""
    for number in range(count):
        backend = BACKENDS[number % len(BACKENDS)]
        offered = catalogue(tools_of(backend)[: 3 + number % 3], [backend])
        task = number // (2 * len(BACKENDS))
        user = f"{ASKED[task % len(ASKED)]} It is number {task}."
        yield offered, [Message(role="system", content="Act with tools."), Message(role="user", content=user)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_greedy_tokens_are_those_of_plain_generate_on_the_embedded_model(tmp_path_factory):
    base = embedded(tmp_path_factory.mktemp("models"))
    model, renderer, rng = load(base), Renderer.load(base, "compact"), random.Random(2)
    engine, prompts = Engine(model, max_rows=16), 0
    going = list(spoken_plays(renderer, 72))
    for step in range(3):
        rng.shuffle(going)
        asked = [
            TokenRequest(
                tokens=renderer.prompt(messages, offered),
                prefix=renderer.prefix(messages, offered),
                max_tokens=rng.randint(4, 24),
                ends=(renderer.end,),
            )
            for offered, messages in going
        ]
        for (_, messages), request, answer in zip(going, asked, answers(engine, asked, rng), strict=True):
            assert answer.tokens == plain(model, request.tokens, len(answer.tokens)), renderer.text(request.tokens)
            prompts += 1
            messages += [
                Message(role="assistant", content="", tokens=answer.tokens),
                Message(role="tool", name="look", content=RESULTS[step]),
            ]
        for request in asked[:4]:  # and alone
            [answer] = answers(Engine(model), [request])
            assert answer.tokens == plain(model, request.tokens, len(answer.tokens))
    assert prompts >= 200


def test_a_prompt_without_a_prefix_and_one_that_is_all_prefix_are_served(model):
    rng = random.Random(3)
    engine = Engine(model, max_rows=4)
    tokens = [drawn(rng, 5, 40) for _ in range(8)]
    asked = [
        TokenRequest(tokens=one, prefix=(0, len(one))[index % 2], max_tokens=6) for index, one in enumerate(tokens)
    ]
    for request, answer in zip(asked, answers(engine, asked), strict=True):
        assert answer.tokens == plain(model, request.tokens, 6)


def test_each_token_of_the_prefix_tree_is_read_once(model):
    rng = random.Random(4)
    prefix, users = drawn(rng, 60, 60), [drawn(rng, 20, 20) for _ in range(5)]
    requests = [TokenRequest(tokens=prefix + users[i // 4], prefix=60, max_tokens=5) for i in range(20)]
    engine = Engine(model, max_rows=20)
    first = answers(engine, requests)
    tree = 60 + 5 * 20
    last_tokens = 15  # a sample's last token is computed again for its logits
    assert tree <= engine.stats.read + last_tokens <= 1.05 * tree + last_tokens
    before = engine.stats.read
    more = [request.tokens + answer.tokens + (7, 8) for request, answer in zip(requests, first, strict=True)]
    got = answers(engine, [TokenRequest(tokens=one, prefix=60, max_tokens=1) for one in more])
    assert all(answer.cached >= 60 + 20 + 4 for answer in got)
    assert engine.stats.read - before <= 20 * 3


def test_samples_of_one_task_have_its_pages_in_common_and_go_their_own_ways(model):
    rng = random.Random(15)
    engine = Engine(model, max_rows=8)
    task = drawn(rng, 4 * PAGE + 10, 4 * PAGE + 10)
    requests = [TokenRequest(tokens=task + drawn(rng, 3, 9), prefix=5, max_tokens=12) for _ in range(8)]
    for request, answer in zip(requests, answers(engine, requests), strict=True):
        assert answer.tokens == plain(model, request.tokens, 12)
    used = {page for rest in engine.talks.rests for page in rest.pages}
    assert len(engine.talks.rests) == 8
    assert len(used) == 4 + 8


def test_a_rest_that_another_conversation_goes_on_from_is_there_once(model):
    rng = random.Random(16)
    engine = Engine(model, max_rows=2)
    task = drawn(rng, 30, 30)
    [said, same] = answers(engine, [TokenRequest(tokens=task, max_tokens=4)] * 2)
    assert said.tokens == same.tokens
    more = task + said.tokens + drawn(rng, 20, 20)
    before = engine.stats.read
    [one, other] = answers(engine, [TokenRequest(tokens=more, max_tokens=4)] * 2)
    assert one.tokens == other.tokens == plain(model, more, 4)
    assert engine.stats.read - before <= 21 + 2
    assert all(len(rest.held) >= len(more) for rest in engine.talks.rests)


def test_memory_that_tails_no_longer_need_is_given_to_prefixes_while_others_speak(model):
    rng = random.Random(17)
    engine = Engine(model, max_rows=4, kv_bytes=4 * room(model, prefix=10, tails=3))
    engine.guesses = 0
    speaking = engine.submit(TokenRequest(tokens=drawn(rng, 20, 20), prefix=10, max_tokens=150))
    long = [engine.submit(TokenRequest(tokens=drawn(rng, 300, 300), prefix=10, max_tokens=4)) for _ in range(8)]
    while any(one in engine.waiting or one in engine.talks.rows for one in long):
        engine.step()
    grown = engine.talks.rack.count
    assert speaking in engine.talks.rows
    large = TokenRequest(tokens=drawn(rng, 800, 800), prefix=790, max_tokens=4)
    mine, found = engine.submit(large), {}
    while engine.busy:
        found |= {answer.id: answer for answer in engine.step()}
        assert engine.stats.kv_bytes <= engine.kv_bytes
    assert engine.talks.rack.count < grown
    assert found[mine].tokens == plain(model, large.tokens, 4)
    assert speaking in found


def test_beginnings_shared_by_two_prefixes_are_computed_once(model):
    rng = random.Random(5)
    start = drawn(rng, 50, 50)
    engine = Engine(model)
    requests = [TokenRequest(tokens=(*start, 9 + i, 5, 6, 7), prefix=52, max_tokens=4) for i in range(3)]
    for request, answer in zip(requests, answers(engine, requests), strict=True):
        assert answer.tokens == plain(model, request.tokens, 4)
    assert engine.stats.read <= 52 + 2 * 2 + 3 * 2


def room(model, *, prefix, tails):
    """Bytes of a prefix of such a length, and of so many tails of up to 128 places."""
    engine = Engine(model)
    return engine.prefixes.nbytes_of(prefix) + engine.talks.rack.nbytes_of([128] * tails)


def test_what_does_not_fit_waits_in_order_and_memory_stays_bounded(model):
    rng = random.Random(6)
    engine = Engine(model, max_rows=16, kv_bytes=4 * room(model, prefix=10, tails=1))  # three such, and one outside
    engine.guesses = 0  # so that answers of equal length take equally long
    requests = [TokenRequest(tokens=drawn(rng, 30, 60), prefix=10, max_tokens=20) for _ in range(20)]
    ids = [engine.submit(request) for request in requests]
    finished, most = [], 0
    while engine.busy:
        finished += [answer.id for answer in engine.step()]
        assert (engine.queue.reason, list(engine.queue.ids)) == (
            "memory" if engine.waiting else None,
            [*engine.waiting],
        )
        most = max(most, engine.stats.rows)
        assert engine.stats.kv_bytes <= engine.kv_bytes
    assert most == 3
    assert sorted(finished) == ids
    assert finished == ids  # equal lengths: first come, first served


@pytest.mark.parametrize("seed", range(4))
def test_prefixes_and_tails_of_any_length_share_the_memory(model, seed):
    rng = random.Random(seed)
    token_bytes = Engine(model).talks.rack.token_bytes
    engine = Engine(model, max_rows=8, kv_bytes=2000 * token_bytes)
    begins = [drawn(rng, 1, 600) for _ in range(5)]
    requests = []
    for _ in range(24):
        begin = rng.choice(begins)
        tail = drawn(rng, 1, 40) if rng.random() < 0.8 else drawn(rng, 200, 500)
        requests.append(TokenRequest(tokens=begin + tail, prefix=len(begin), max_tokens=3))
    ids, found = [engine.submit(request) for request in requests], {}
    while engine.busy:
        found |= {answer.id: answer.tokens for answer in engine.step()}
        assert engine.stats.kv_bytes <= engine.kv_bytes
    for name in ids[::6]:
        assert found[name] == plain(model, requests[name - 1].tokens, 3)


def test_who_waits_for_a_row_is_told_so_and_so_are_those_behind(model):
    rng = random.Random(12)
    engine = Engine(model, max_rows=2)
    ids = [engine.submit(TokenRequest(tokens=drawn(rng, 30, 60), max_tokens=8)) for _ in range(5)]
    engine.step()
    assert engine.queue == Queue(ids=tuple(ids[2:]), reason="rows")
    assert engine.stats.waiting_for == "rows"
    while engine.busy:
        engine.step()
    assert engine.queue == Queue()
    assert engine.stats.waiting_for is None


def test_conversations_behind_one_prefix_need_room_for_it_once(model):
    rng = random.Random(10)
    engine = Engine(model, max_rows=6, kv_bytes=math.ceil(room(model, prefix=300, tails=6) * 4 / 3))
    prefix = drawn(rng, 300, 300)
    requests = [TokenRequest(tokens=prefix + drawn(rng, 20, 30), prefix=300, max_tokens=8) for _ in range(6)]
    for request in requests:
        engine.submit(request)
    engine.step()
    assert engine.stats.rows == 6
    while engine.busy:
        engine.step()
    assert engine.stats.kv_bytes <= engine.kv_bytes


def test_a_prefix_that_was_dropped_keeps_no_memory(model):
    rng = random.Random(11)
    token_bytes = Engine(model).talks.rack.token_bytes
    engine = Engine(model, max_rows=2, kv_bytes=4 * 256 * token_bytes)
    for _ in range(6):
        answers(engine, [TokenRequest(tokens=drawn(rng, 210, 210), prefix=200, max_tokens=2)])
    behind = {rest.behind[0] for rest in engine.talks.rests}
    dropped = behind - set(engine.prefixes._kept.values())
    assert dropped
    assert all(prefix.layers is None for prefix in dropped)


def test_a_request_that_never_fits_is_refused(model):
    token_bytes = Engine(model).talks.rack.token_bytes
    engine = Engine(model, kv_bytes=100 * token_bytes)
    for request in (
        TokenRequest(tokens=()),
        TokenRequest(tokens=(5,) * 90, max_tokens=20),
        TokenRequest(tokens=(5,) * 9000),
    ):
        with pytest.raises(Unservable):
            engine.submit(request)


def test_a_cancelled_request_frees_its_row_and_harms_nobody(model):
    rng = random.Random(7)
    engine = Engine(model, max_rows=2)
    requests = [TokenRequest(tokens=drawn(rng, 10, 20), max_tokens=12) for _ in range(4)]
    ids = [engine.submit(request) for request in requests]
    engine.step()
    engine.cancel(ids[0])
    engine.cancel(ids[2])
    found = {}
    while engine.busy:
        found |= {answer.id: answer for answer in engine.step()}
    assert set(found) == {ids[1], ids[3]}
    for index in (1, 3):
        assert found[ids[index]].tokens == plain(model, requests[index].tokens, 12)


def test_an_end_token_ends_the_answer_and_is_part_of_it(model):
    tokens = (5, 6, 7, 8)
    free = plain(model, tokens, 10)
    answer = answers(Engine(model), [TokenRequest(tokens=tokens, max_tokens=10, ends=(free[4],))])[0]
    assert answer.finish == "stop"
    assert answer.tokens == free[: free.index(free[4]) + 1]


def test_sampling_depends_on_the_seed_and_not_on_the_batch(model):
    rng = random.Random(8)
    prompt = drawn(rng, 30, 30)

    def asked(seed):
        return TokenRequest(
            tokens=prompt, prefix=20, max_tokens=15, sampling=SamplingParams(temperature=1.0, top_p=0.9, seed=seed)
        )

    alone = [answers(Engine(model), [asked(seed)])[0].tokens for seed in range(4)]
    others = [TokenRequest(tokens=drawn(rng, 5, 60), max_tokens=15) for _ in range(4)]
    together = answers(Engine(model, max_rows=8), [*others, *map(asked, range(4))])
    assert [answer.tokens for answer in together[4:]] == alone
    assert len(set(alone)) == 4


def test_guesses_change_no_token_and_save_steps(model):
    rng = random.Random(12)
    prefix, task = drawn(rng, 40, 40), drawn(rng, 10, 20)
    samplings = [
        SamplingParams(),
        *(SamplingParams(temperature=0.3, top_p=0.95, seed=seed, logprobs=True) for seed in range(5)),
    ]
    asked = [
        TokenRequest(tokens=prefix + task, prefix=40, max_tokens=24, ends=(VOCABULARY[-1],), sampling=one)
        for one in samplings * 2
    ]
    guessing, plodding = Engine(model, max_rows=4), Engine(model, max_rows=4)
    plodding.guesses = 0
    with_guesses, without = answers(guessing, asked), answers(plodding, asked)
    assert [one.tokens for one in with_guesses] == [one.tokens for one in without]
    assert [one.finish for one in with_guesses] == [one.finish for one in without]
    for one, other in zip(with_guesses, without, strict=True):
        assert one.logprobs == (other.logprobs and pytest.approx(other.logprobs, abs=1e-4))
    assert guessing.stats.spoken == plodding.stats.spoken
    assert guessing.stats.right > guessing.stats.spoken // 4
    assert guessing.stats.steps < plodding.stats.steps
    assert plodding.stats.guessed == 0


def test_an_answer_that_was_heard_is_said_in_few_steps_and_ends_where_it_should(model):
    prompt = drawn(random.Random(13), 20, 20)
    free = plain(model, prompt, 33)
    engine = Engine(model)
    for end, most in ((free[20], 33), (VOCABULARY[-1], 33), (VOCABULARY[-1], 12)):
        [answer] = answers(engine, [TokenRequest(tokens=prompt, max_tokens=most, ends=(end,))])
        length = min(most, free.index(end) + 1 if end in free else most)
        assert answer.tokens == free[:length]
        assert answer.finish == ("stop" if end in free[:most] else "length")
    before = engine.stats.steps
    answers(engine, [TokenRequest(tokens=prompt, max_tokens=33)])
    assert engine.stats.steps - before <= 5  # up to 16 guesses and one more each
    [going_on] = answers(engine, [TokenRequest(tokens=(*prompt, *free, 7, 8), max_tokens=5)])
    assert going_on.cached >= 20 + 32
    assert going_on.tokens == plain(model, (*prompt, *free, 7, 8), 5)


def test_logprobs_are_those_of_the_model(model):
    tokens = (5, 6, 7, 8)
    answer = answers(
        Engine(model), [TokenRequest(tokens=tokens, max_tokens=3, sampling=SamplingParams(logprobs=True))]
    )[0]
    logits = model(mx.array([tokens + answer.tokens]))[0, 3:6]
    wanted = [float((row - mx.logsumexp(row))[token]) for row, token in zip(logits, answer.tokens, strict=True)]
    assert answer.logprobs == pytest.approx(wanted, abs=1e-4)


def test_sampled_frequencies_are_the_distribution():
    logits = mx.array([[0.0, 1.0, 2.0, -1.0]] * 4000)
    chances = np.random.default_rng(0).random(4000).tolist()
    tokens, _ = choose(logits, [SamplingParams(temperature=0.7)] * 4000, chances)
    weights = np.exp(np.array([0.0, 1.0, 2.0, -1.0]) / 0.7)
    assert np.bincount(tokens, minlength=4) / 4000 == pytest.approx(weights / weights.sum(), abs=0.03)
    nucleus, _ = choose(logits, [SamplingParams(temperature=0.7, top_p=0.5)] * 4000, chances)
    assert set(nucleus) == {2}


def test_rows_of_one_batch_are_sampled_each_in_its_own_way():
    logits = mx.array([[0.0, 5.0, 1.0]] * 3)
    samplings = [SamplingParams(), SamplingParams(temperature=1.0), SamplingParams(temperature=1.0, top_p=0.1)]
    tokens, _ = choose(logits, samplings, [0.0, 0.0, 0.999])
    assert tokens == [1, 0, 1]


def test_an_unknown_family_is_named(model):
    class Other:
        model_type = "mamba"

        def make_cache(self):
            return []

    with pytest.raises(ConfigError, match="mamba"):
        Engine(Other())


def test_a_family_that_nobody_knows_is_served_by_mlx_lm_with_the_same_tokens(model):
    rng = random.Random(9)
    engine = PlainEngine(model, max_rows=3)
    requests = [TokenRequest(tokens=drawn(rng, 5, 40), prefix=3, max_tokens=8) for _ in range(5)]
    ids = [engine.submit(request) for request in requests]
    engine.cancel(ids[2])
    found = {}
    while engine.busy:
        found |= {answer.id: answer for answer in engine.step()}
    assert set(found) == set(ids) - {ids[2]}
    for identity, request in zip(ids, requests, strict=True):
        if identity in found:
            assert found[identity].tokens == plain(model, request.tokens, 8)
    hot = TokenRequest(tokens=(5, 6, 7), max_tokens=8, sampling=SamplingParams(temperature=1.0, seed=4, logprobs=True))
    assert answers(PlainEngine(model), [hot])[0] == answers(PlainEngine(model), [hot])[0]
    assert answers(PlainEngine(model), [hot])[0].tokens == answers(Engine(model), [hot])[0].tokens


@pytest.mark.parametrize("precision", [Precision.EIGHT, Precision.FOUR])
def test_rounded_weights_are_served_like_any_other(tmp_path, precision):
    model = load(tiny(tmp_path, stops=False), None, precision)
    tokens = drawn(random.Random(5), 20, 40)
    (answer,) = answers(Engine(model, max_rows=2), [TokenRequest(tokens=tokens, prefix=10, max_tokens=12)])
    assert answer.tokens == plain(model, tokens, 12)
    with pytest.raises(ConfigError, match="already quantized"):
        loading._round(model, precision, tmp_path)
