"""DeepSeek and OpenAI-shaped teachers against a loopback fake that enforces the API's rules."""

import gc
import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from loop.errors import FailureKind, ProviderError
from loop.types import Call, Catalogue, Message, Tool
from teachers import deepseek
from teachers.budget.prices import Price
from teachers.fakes.deepseek import LOST_REASONING, broken_rule
from teachers.fakes.minds import closing, saying
from teachers.openai_compatible import OpenAICompatible
from teachers.provider.retry import Patience

pytestmark = pytest.mark.reliability(id="F15")

KEY = "sk-fake-0123456789abcdef"
CANARY = "canary-7f3a9c1e5b2d8f60"
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes that `ru_maxrss` counts in."""
ONCE = Patience(retryable=0, unknown=0, bad_output=0, auth=0, first_wait=0.01)
CALLING = Message(role="assistant", content="", calls=(Call(name="weather", arguments={"city": "Oslo"}),))


def failed(step, teacher):
    with pytest.raises(ProviderError) as caught:
        step(teacher)
    return caught.value


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_call_comes_back_with_its_reasoning_and_its_price(api, teacher, step, monkeypatch):
    monkeypatch.setattr(deepseek.time, "time", lambda: 0.0)  # a holiday at midnight: off-peak
    api.mind = saying(CALLING)
    reply = step(teacher())
    assert reply.message == CALLING.model_copy(update={"reasoning": api.thoughts[0]})
    assert reply.usage.prompt_tokens == 1000
    assert reply.usage.cached_tokens == 640
    assert reply.usage.cost == pytest.approx((640 * 0.003 + 360 * 0.15 + 80 * 0.60) / 1e6)


def test_thinking_is_always_asked_for_by_name(api, teacher, step):
    step(teacher())
    step(teacher(thinking=False))
    bodies = [request.body for request in api.seen]
    assert [body["thinking"] for body in bodies] == [{"type": "enabled"}, {"type": "disabled"}]
    assert [body.get("reasoning_effort") for body in bodies] == ["high", None]
    assert all(body["max_tokens"] == 8192 and body["stream"] is False for body in bodies)


def dialogue(chat, asked, tools):
    """Two steps and a second turn."""
    first = chat.reply(asked, tools).message
    told = (*asked, first, Message(role="tool", name="weather", content="3 C", ok=True))
    second = chat.reply(told, tools).message
    return chat.reply((*told, second, Message(role="user", content="And now?")), tools)


def test_reasoning_goes_back_verbatim_in_every_later_request(api, teacher, asked, tools):
    api.mind = saying(CALLING, closing("Cold."), closing("Still."))
    assert dialogue(teacher().open(None, 0), asked, tools).message.content == "Still."
    history = api.seen[-1].body["messages"]
    assert history[1]["reasoning_content"] == api.thoughts[0]
    assert history[1]["tool_calls"][0]["function"]["arguments"] == '{\n "city": "Oslo"\n}', (
        "the history is not verbatim"
    )


def test_a_play_that_goes_on_in_another_process_hands_the_reasoning_back_too(api, teacher, asked, tools):
    api.mind = saying(CALLING, closing("Cold."))
    first = teacher().open(None, 0).reply(asked, tools).message
    told = (*asked, first, Message(role="tool", name="weather", content="3 C", ok=True))
    assert teacher().open(None, 0).reply(told, tools).message.content == "Cold."
    assert api.seen[-1].body["messages"][1]["reasoning_content"] == api.thoughts[0]


def test_the_fake_enforces_the_reasoning_rule(api, teacher, asked, tools):
    forgetful = OpenAICompatible(base_url=api.url, model="deepseek-flash", key_env="DEEPSEEK_API_KEY", patience=ONCE)
    api.mind = saying(CALLING)
    with pytest.raises(ProviderError, match="reasoning_content") as caught:
        dialogue(forgetful.open(None, 0), asked, tools)
    assert caught.value.kind is FailureKind.FATAL
    assert broken_rule({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}) == LOST_REASONING


def test_several_calls_each_get_their_result(api, teacher, asked, tools):
    both = Message(role="assistant", content="", calls=(CALLING.calls[0], Call(name="time.now")))
    api.mind = saying(both, closing("Done."))
    chat = teacher().open(None, 0)
    first = chat.reply(asked, tools).message
    results = [Message(role="tool", name=call.name, content=call.name, ok=True) for call in first.calls]
    assert chat.reply((*asked, first, *results), tools).message == closing("Done.")
    answered = {message["tool_call_id"]: message["content"] for message in api.seen[-1].body["messages"][2:]}
    assert list(answered.values()) == ["weather", "time.now"]


def test_a_tool_with_a_dot_in_its_name_is_called_by_its_own_name(api, teacher, step):
    api.mind = saying(Message(role="assistant", content="", calls=(Call(name="time_now"),)))
    assert step(teacher()).message.calls == (Call(name="time.now"),)
    assert [tool["function"]["name"] for tool in api.seen[0].body["tools"]] == ["weather", "time_now"]


def test_an_absent_argument_may_be_spelt_null(api, teacher, asked):
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}
    tools = Catalogue(tools=(Tool(name="f", description="", parameters=schema),))
    api.mind = saying(Message(role="assistant", content="", calls=(Call(name="f", arguments={"a": "x", "b": None}),)))
    assert teacher().open(None, 0).reply(asked, tools).message.calls == (Call(name="f", arguments={"a": "x"}),)


def test_half_a_character_breaks_nothing(api, teacher, asked, tools):
    api.mind = saying(
        CALLING.model_copy(update={"calls": (Call(name="weather", arguments={"city": "\ud800"}),)}), closing()
    )
    chat = teacher().open(None, 0)
    first = chat.reply(asked, tools).message
    assert first.calls[0].arguments == {"city": "\ufffd"}
    told = (*asked, first, Message(role="tool", name="weather", content="\ud800", ok=True))
    assert chat.reply(told, tools).message == closing()


def test_a_model_without_a_price_stops_the_teacher(api, teacher, step):
    api.model = "deepseek-v9-ultra"
    error = failed(step, teacher())
    assert error.kind is FailureKind.FATAL
    assert "'deepseek-v9-ultra'" in str(error)
    dear = Price(hit=1, miss=1, output=1)
    assert step(teacher(prices={"flash": dear, "v9": dear})).usage.cost > 0


def test_a_model_that_has_no_price_is_not_even_asked(api, teacher, step):
    assert failed(step, teacher(model="deepseek-v9-ultra")).kind is FailureKind.FATAL
    assert not api.seen


# --- failures --------------------------------------------------------------------------------------------------------

STATUSES = {
    400: FailureKind.FATAL,
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA,
    403: FailureKind.AUTH,
    404: FailureKind.FATAL,
    408: FailureKind.RETRYABLE,
    413: FailureKind.BAD_INPUT,
    422: FailureKind.FATAL,
    429: FailureKind.RETRYABLE,
    500: FailureKind.RETRYABLE,
    502: FailureKind.RETRYABLE,
    503: FailureKind.RETRYABLE,
    504: FailureKind.RETRYABLE,
    301: FailureKind.FATAL,
    418: FailureKind.FATAL,
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_its_kind(api, teacher, step, status):
    api.fail("http", status=status, headers={"Location": "http://127.0.0.1:9/"})
    assert failed(step, teacher()).kind is STATUSES[status]
    assert len(api.seen) == 1, "the client library asked again behind our back"


WORDS = {
    "too long": (400, "This model's maximum context length is 1048576 tokens", FailureKind.BAD_INPUT),
    "filtered": (400, "Content Exists Risk", FailureKind.BAD_INPUT),
    "spent": (429, "You exceeded your current quota, check billing", FailureKind.QUOTA),
}


@pytest.mark.parametrize("row", WORDS)
def test_words_tell_what_the_status_does_not(api, teacher, step, row):
    status, message, kind = WORDS[row]
    api.fail("http", status=status, message=message)
    assert failed(step, teacher()).kind is kind


BROKEN = {
    "closed": ("close", {}, FailureKind.RETRYABLE),
    "cut": ("truncated", {}, FailureKind.RETRYABLE),
    "a page": ("raw", {"body": b"<html>busy</html>", "type": "text/html"}, FailureKind.RETRYABLE),
    "no text": ("raw", {"body": b"\xff\xfe\x00"}, FailureKind.RETRYABLE),
    "half JSON": ("raw", {"body": b'{"choices": [{"mess'}, FailureKind.RETRYABLE),
    "deep JSON": ("raw", {"body": b"[" * 100_000}, FailureKind.RETRYABLE),
    "a list": ("raw", {"body": b"[]"}, FailureKind.FATAL),
    "no choices": ("raw", {"body": b'{"choices": []}'}, FailureKind.FATAL),
    "a choice that is none": ("raw", {"body": b'{"choices": [3]}'}, FailureKind.FATAL),
    "packed": ("bomb", {}, FailureKind.BAD_OUTPUT),
    "packed error": ("bomb", {"status": 500}, FailureKind.BAD_OUTPUT),
    "endless": ("flood", {}, FailureKind.BAD_OUTPUT),
    "endless error": ("flood", {"status": 503}, FailureKind.BAD_OUTPUT),
    "empty": ("says", {"message": {}}, FailureKind.BAD_OUTPUT),
    "cut by length": ("says", {"message": {"content": "{"}, "finish": "length"}, FailureKind.BAD_OUTPUT),
    "filtered": ("says", {"message": {"content": "x"}, "finish": "content_filter"}, FailureKind.BAD_INPUT),
    "no room": ("says", {"message": {}, "finish": "insufficient_system_resource"}, FailureKind.RETRYABLE),
    "odd calls": ("says", {"message": {"tool_calls": {"a": 1}}}, FailureKind.BAD_OUTPUT),
    "odd call": ("says", {"message": {"tool_calls": ["a"]}}, FailureKind.BAD_OUTPUT),
    "odd content": ("says", {"message": {"content": {"a": 1}}}, FailureKind.BAD_OUTPUT),
    "half arguments": (
        "says",
        {"message": {"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": '{"city: "Oslo"}'}}]}},
        FailureKind.BAD_OUTPUT,
    ),
    "wrong tool": (
        "says",
        {"message": {"tool_calls": [{"id": "1", "function": {"name": "rm", "arguments": "{}"}}]}},
        FailureKind.BAD_OUTPUT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", BROKEN)
def test_a_broken_answer_has_its_kind(api, teacher, step, row):
    scenario, details, kind = BROKEN[row]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    api.fail(scenario, **details)
    assert failed(step, teacher()).kind is kind
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * RSS_UNIT < 150_000_000, "it unpacked the bomb"


def test_blank_lines_do_not_keep_a_step_alive_beyond_its_time(api, teacher, step):
    api.fail("keep_alive", seconds=10)
    began = time.monotonic()
    error = failed(step, teacher(step_s=0.8))
    assert error.kind is FailureKind.RETRYABLE
    assert error.usage.cost > 0, "the provider may have charged for it"
    assert time.monotonic() - began < 3


def test_blank_lines_before_an_answer_do_no_harm(api, teacher, step):
    api.fail("keep_alive", seconds=0.3)
    assert step(teacher()).message == closing()


def test_silence_ends_in_time(api, teacher, step):
    api.fail("silent", seconds=30)
    began = time.monotonic()
    assert failed(step, teacher(step_s=0.5)).kind is FailureKind.RETRYABLE
    assert time.monotonic() - began < 3


def test_what_may_work_later_is_asked_again_and_paid_for(api, teacher, step):
    api.fail("http", times=2, status=503)
    reply = step(teacher(patience=Patience(first_wait=0.01)))
    assert reply.message == closing()
    assert reply.usage.requests == 3
    assert reply.usage.prompt_tokens > 1000, "a failed attempt may have been charged for"


def test_a_wait_that_the_server_asks_for_is_kept(api, teacher, step):
    api.fail("http", times=1, status=429, headers={"Retry-After": "1"})
    began = time.monotonic()
    step(teacher(patience=Patience(first_wait=0.01)))
    assert time.monotonic() - began >= 1


def test_a_long_wait_goes_to_the_daemon_instead(api, teacher, step):
    api.fail("http", status=429, headers={"Retry-After": "900"})
    error = failed(step, teacher(patience=Patience()))
    assert error.kind is FailureKind.QUOTA
    assert 890 < error.retry_at - time.time() < 910
    assert len(api.seen) == 1


def test_a_refused_answer_is_asked_again_with_the_complaint(api, teacher, step):
    broken = {"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": '{"town": 3}'}}]}
    api.fail("says", times=1, message=broken)
    api.mind = saying(CALLING)
    reply = step(teacher(patience=Patience(bad_output=1)))
    assert reply.message.calls == CALLING.calls
    assert "'city' is a required property" in api.seen[-1].body["messages"][-1]["content"]
    assert reply.usage.prompt_tokens == 2000


# --- keys ------------------------------------------------------------------------------------------------------------


def test_the_key_may_lie_in_a_file(api, teacher, step, monkeypatch, tmp_path):
    monkeypatch.delenv("DEEPSEEK_API_KEY")
    (tmp_path / "key").write_text(KEY + "\n")
    monkeypatch.setenv("DS_KEY_FILE", str(tmp_path / "key"))
    assert step(teacher()).message == closing()


@pytest.mark.parametrize("text", [None, "", "two words", "\u00e9\u00e9\u00e9"])
def test_a_file_without_a_key_is_named(teacher, step, monkeypatch, tmp_path, text):
    if text is not None:
        (tmp_path / "key").write_text(text)
    monkeypatch.setenv("DS_KEY_FILE", str(tmp_path / "key"))
    error = failed(step, teacher())
    assert error.kind is FailureKind.AUTH
    assert str(tmp_path / "key") in str(error)


def test_without_a_key_it_says_what_to_set(teacher, step, monkeypatch):
    monkeypatch.delenv("DEEPSEEK_API_KEY")
    error = failed(step, teacher())
    assert error.kind is FailureKind.AUTH
    assert "DS_KEY_FILE" in str(error)
    assert "DEEPSEEK_API_KEY" in str(error)


def test_the_key_stands_in_no_evidence(api, teacher, step):
    api.fail("http", status=500, message=f"bad key {KEY} or Bearer {KEY}")
    assert KEY not in str(failed(step, teacher()))


def test_only_the_key_and_the_conversation_leave_the_machine(api, teacher, step, monkeypatch):
    names = (
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAI_ADMIN_KEY",
        "OPENAI_CUSTOM_HEADERS",
        "SECRET",
    )
    for name in names:
        monkeypatch.setenv(name, f"X-Canary: {CANARY}" if name.endswith("HEADERS") else CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/")
    step(teacher())
    assert CANARY not in json.dumps(dict(api.seen[0].headers)) + api.seen[0].raw.decode()


# --- OpenAI-shaped servers -------------------------------------------------------------------------------------------


def test_a_local_server_needs_no_key_and_costs_nothing(api, step):
    api.key = None
    api.mind = saying(CALLING)
    local = OpenAICompatible(base_url=f"{api.url}/v1", model="qwen", options={"temperature": 0.2}, patience=ONCE)
    reply = step(local)
    assert reply.message == CALLING
    assert reply.usage.cost == 0
    assert api.seen[0].body["temperature"] == 0.2
    assert api.seen[0].headers["authorization"] == "Bearer none"
    assert local.credential == f"{api.url}/v1:"


@pytest.mark.parametrize("usage", [None, "x", {}, {"prompt_tokens": "many"}])
def test_a_server_that_counts_nothing_is_charged_by_length(api, step, usage):
    answer = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    api.fail("raw", body=json.dumps(answer).encode())
    local = OpenAICompatible(base_url=api.url, model="qwen", prices={"qwen": Price(hit=1, miss=1, output=1)})
    reply = step(local)
    assert reply.usage.prompt_tokens > 50
    assert reply.usage.cost > 0


def test_calls_without_ids_and_with_objects_for_arguments_are_read(api, asked, tools):
    call = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    answer = {"choices": [{"message": {"content": None, "tool_calls": [call]}}]}
    api.fail("raw", times=1, body=json.dumps(answer).encode())
    local = OpenAICompatible(base_url=api.url, model="qwen", key_env="DEEPSEEK_API_KEY", hand_back_reasoning=True)
    chat = local.open(None, 0)
    first = chat.reply(asked, tools).message
    assert first.calls == CALLING.calls
    told = (*asked, first, Message(role="tool", name="weather", content="3 C", ok=True))
    assert chat.reply(told, tools).message == closing()


# --- many at once ----------------------------------------------------------------------------------------------------


def test_eight_plays_at_once_do_not_meet(api, teacher, tools):
    api.mind, api.delay = lambda messages: closing(messages[-1].content), 0.3
    gate = threading.Barrier(8)

    def one(number):
        gate.wait()
        said = Message(role="user", content=f"I am {number}")
        return teacher().open(None, 0).reply([said], tools).message.content

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [f"I am {number}" for number in range(8)]


def test_a_step_leaves_nothing_open(step, teacher):
    step(teacher())
    gc.collect()  # an open socket or loop would warn, and warnings are errors
