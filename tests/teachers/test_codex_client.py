"""The real Codex client against the fake server: every row of the failure matrix, on both transports."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from loop.errors import FailureKind, ProviderError
from loop.types import Call, Message
from teachers.codex_client.examination import dead_port
from teachers.fakes.minds import closing, saying
from teachers.fakes.responses import offered
from teachers.fakes.subscription import quota_headers
from teachers.provider.retry import Patience

TRANSPORTS = ["exec", "app-server"]
CALLING = Message(role="assistant", content="", calls=(Call(name="weather", arguments={"city": "Oslo"}),))
QUICKLY = 15.0
"""Seconds; the machine may be busy."""


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


def failed(step, teacher):
    began = time.monotonic()
    with pytest.raises(ProviderError) as caught:
        step(teacher)
    assert time.monotonic() - began < QUICKLY
    return caught.value


def usage_limit(**fields):
    return {"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached", **fields}}


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_call_comes_back_as_a_call_with_its_price(codex, fake, step, transport):
    fake.mind = saying(CALLING)
    reply = step(codex(transport=transport))
    assert reply.message == CALLING
    assert reply.usage.model_dump(exclude={"cost"}) == {
        "prompt_tokens": 1000, "cached_tokens": 600, "completion_tokens": 50, "requests": 1,
    }  # fmt: skip


def test_a_closing_message_comes_back_as_text(codex, fake, step, transport):
    fake.mind = saying(closing("It is 3 °C."))
    assert step(codex(transport=transport)).message == Message(role="assistant", content="It is 3 °C.")


def test_of_two_messages_the_last_is_the_answer(codex, fake, step, transport):
    fake.mind = saying(CALLING)
    fake.fail("twice", text="I will think first.")
    assert step(codex(transport=transport)).message == CALLING


def test_the_schema_is_strict_and_names_come_before_arguments(codex, fake, step, transport):
    step(codex(transport=transport))
    form = fake.asked[0].body["text"]["format"]
    assert form["type"] == "json_schema"
    assert form["strict"] is True
    call = form["schema"]["properties"]["calls"]["items"]
    assert call["properties"]["name"]["enum"] == ["weather", "time.now"]
    if transport == "exec":  # the app-server sorts keys itself
        assert list(call["properties"]) == ["name", "arguments"]


def test_the_model_is_offered_the_plays_tools_and_no_other_where_they_are_native(codex, fake, step):
    fake.mind = saying(CALLING)
    reply = step(codex(transport="app-server", native_tools=True))
    assert reply.message == CALLING
    assert sorted(tool["name"] for tool in offered(fake.asked[0].body)) == ["time_now", "weather"]


def test_a_native_call_that_does_not_fit_is_mended_within_the_turn(codex, fake, step):
    fake.mind = saying(
        Message(role="assistant", content="", calls=(Call(name="weather", arguments={"town": 1}),)), CALLING
    )
    patient = Patience(bad_output=1, first_wait=0.01)
    reply = step(codex(transport="app-server", native_tools=True, patience=patient))
    assert reply.message == CALLING
    assert "'city' is a required property" in fake.asked[1].raw.decode()


def test_a_refused_answer_is_asked_again_with_the_complaint(codex, fake, step, transport):
    fake.fail("text", times=1, text='{"calls":[{"name":"weather","arguments":"{}"}],"final":null}')
    fake.mind = saying(CALLING)
    reply = step(codex(transport=transport, patience=Patience(bad_output=1, first_wait=0.01)))
    assert reply.message == CALLING
    assert reply.usage.requests == 2
    assert reply.usage.prompt_tokens == 2000
    assert "'city' is a required property" in fake.asked[1].raw.decode()


# --- the failure matrix ----------------------------------------------------------------------------------------------

HTTP = {
    "400": (400, None, FailureKind.RETRYABLE),
    "401": (401, None, FailureKind.AUTH),
    "404": (404, None, FailureKind.FATAL),
    "429": (429, None, FailureKind.RETRYABLE),
    "500": (500, None, FailureKind.RETRYABLE),
    "503": (503, None, FailureKind.RETRYABLE),
    "bad schema": (
        400,
        {"error": {"message": "Invalid schema", "type": "invalid_request_error", "code": "invalid_json_schema"}},
        FailureKind.FATAL,
    ),
    "no quota": (
        429,
        {"error": {"message": "x", "type": "insufficient_quota", "code": "insufficient_quota"}},
        FailureKind.QUOTA,
    ),
    "plan without": (429, {"error": {"type": "usage_not_included", "message": "x"}}, FailureKind.QUOTA),
}


@pytest.mark.parametrize("row", HTTP)
def test_a_refusal_has_its_kind(codex, fake, step, transport, row):
    status, body, kind = HTTP[row]
    fake.fail("http", status=status, **({"body": body} if body else {}))
    assert failed(step, codex(transport=transport)).kind is (FailureKind.FATAL if row == "400" else kind)
    assert len(fake.asked) == 1, "the client asked again behind our back"


STREAMS = {
    "garbage": ({"scenario": "garbage"}, FailureKind.RETRYABLE),
    "cut": ({"scenario": "truncated"}, FailureKind.RETRYABLE),
    "closed": ({"scenario": "close"}, FailureKind.RETRYABLE),
    "stalled": ({"scenario": "stalled", "seconds": 30}, FailureKind.RETRYABLE),
    "overloaded": (
        {"scenario": "failed", "error": {"code": "server_is_overloaded", "message": "x"}},
        FailureKind.RETRYABLE,
    ),
    "slow down": (
        {"scenario": "failed", "error": {"code": "rate_limit_exceeded", "message": "Please try again in 1.5s."}},
        FailureKind.RETRYABLE,
    ),
    "too long": (
        {"scenario": "failed", "error": {"code": "context_length_exceeded", "message": "x"}},
        FailureKind.BAD_INPUT,
    ),
    "filtered": ({"scenario": "incomplete", "reason": "content_filter"}, FailureKind.BAD_INPUT),
    "cut by length": ({"scenario": "incomplete", "reason": "max_output_tokens"}, FailureKind.BAD_OUTPUT),
    "empty": ({"scenario": "empty"}, FailureKind.BAD_OUTPUT),
    "no JSON": ({"scenario": "text", "text": "Sure! Here you go"}, FailureKind.BAD_OUTPUT),
    "other JSON": ({"scenario": "text", "text": "[1]"}, FailureKind.BAD_OUTPUT),
    "both": (
        {"scenario": "text", "text": '{"calls":[{"name":"time.now","arguments":"{}"}],"final":"x"}'},
        FailureKind.BAD_OUTPUT,
    ),
    "unknown tool": (
        {"scenario": "text", "text": '{"calls":[{"name":"rm","arguments":"{}"}],"final":null}'},
        FailureKind.BAD_OUTPUT,
    ),
}


@pytest.mark.parametrize("row", STREAMS)
def test_a_broken_answer_has_its_kind(codex, fake, step, transport, row):
    details, kind = STREAMS[row]
    fake.fail(**details)
    assert failed(step, codex(transport=transport, idle_s=1)).kind is kind


def test_a_broken_stream_is_asked_again_and_paid_for(codex, fake, step, transport):
    fake.fail("truncated", times=1)
    reply = step(codex(transport=transport, patience=Patience(retryable=1, first_wait=0.01)))
    assert reply.message == closing()
    assert reply.usage.requests == 2
    assert reply.usage.prompt_tokens > 1000


def test_a_dead_server_is_noticed_at_once(codex, step, transport):
    error = failed(step, codex(transport=transport, base_url=f"http://127.0.0.1:{dead_port()}/v1"))
    assert error.kind is FailureKind.RETRYABLE


def test_a_silent_server_is_left_when_the_time_is_up(codex, fake, step, transport):
    fake.fail("silent", seconds=30)
    error = failed(step, codex(transport=transport, step_s=1.0))
    assert error.kind is FailureKind.RETRYABLE
    assert "time" in str(error)


def test_a_flood_is_cut(codex, fake, step, transport):
    fake.fail("flood", size=1_200_000)
    assert failed(step, codex(transport=transport)).kind is FailureKind.BAD_OUTPUT


def test_a_prompt_that_is_too_long_is_refused_before_anything_is_sent(codex, fake, tools, transport, opened):
    chat = opened(codex(transport=transport))
    with pytest.raises(ProviderError) as caught:
        chat.reply([Message(role="user", content="x" * 1_100_000)], tools)
    assert caught.value.kind is FailureKind.BAD_INPUT
    assert not fake.asked


def test_what_nobody_knows_is_tried_twice_more_and_then_stops_the_teacher(codex, fake, step, transport):
    fake.fail("http", status=418, body={"error": {"message": "I am a teapot, sk-live-abcdefgh12345678", "code": None}})
    error = failed(step, codex(transport=transport, patience=Patience(first_wait=0.01)))
    assert error.kind is FailureKind.FATAL
    assert "teapot" in str(error)
    assert "abcdefgh12345678" not in str(error)
    assert len(fake.asked) == {"exec": 3, "app-server": 1}[transport], "the app-server tells the status, so it is known"


# --- quota -----------------------------------------------------------------------------------------------------------


def test_a_used_up_quota_names_its_reset(codex, fake, step, transport):
    resets_at = int(time.time()) + 7200
    body = usage_limit(plan_type="plus", resets_at=resets_at)
    fake.fail("http", status=429, body=body, headers=quota_headers(100, 43, resets_at))
    error = failed(step, codex(transport=transport))
    assert error.kind is FailureKind.QUOTA
    assert len(fake.asked) == 1
    late = 60 if transport == "exec" else 0  # the text of exec has no seconds
    assert resets_at - late <= error.retry_at <= resets_at


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(hours=30)])
def test_the_reset_is_right_in_every_zone(codex, fake, step, monkeypatch, zone, ahead):  # noqa: PLR0913 - fixtures
    monkeypatch.setenv("TZ", zone)
    resets_at = int((datetime.now(UTC) + ahead).timestamp())
    fake.fail("http", status=429, body=usage_limit(plan_type="pro", resets_at=resets_at))
    assert 0 <= resets_at - failed(step, codex()).retry_at <= 60


@pytest.mark.parametrize(("plan", "told"), [("plus", True), ("team", True), ("free", True), ("pro", False)])
def test_every_plans_words_are_known(codex, fake, step, plan, told):
    resets_at = {"resets_at": int(time.time()) + 7200} if told else {}
    fake.fail("http", status=429, body=usage_limit(plan_type=plan, **resets_at))
    error = failed(step, codex())
    assert error.kind is FailureKind.QUOTA
    assert (error.retry_at is not None) is told


def test_quota_is_never_asked_again(codex, fake, step, transport):
    fake.fail("http", status=429, body=usage_limit(plan_type="plus"))
    assert failed(step, codex(transport=transport, patience=Patience())).kind is FailureKind.QUOTA
    assert len(fake.asked) == 1


# --- plays and processes ---------------------------------------------------------------------------------------------


def test_an_app_server_sends_only_what_is_new_and_keeps_one_cache(codex, fake, asked, tools, opened):
    fake.mind = saying(CALLING, closing("Cold."))
    chat = opened(codex(transport="app-server"))
    first = chat.reply(asked, tools).message
    result = Message(role="tool", name="weather", content="3 C", ok=True)
    assert chat.reply((*asked, first, result), tools).message.content == "Cold."
    one, two = (request.body for request in fake.asked)
    assert two["input"][: len(one["input"])] == one["input"]
    assert one["prompt_cache_key"] == two["prompt_cache_key"]
    assert json.dumps(two["input"]).count("Oslo") == json.dumps(one["input"]).count("Oslo") + 1


def test_after_a_failure_an_app_server_is_told_everything_again(codex, fake, asked, tools, opened):
    fake.mind = saying(CALLING, closing("Cold."))
    chat = opened(codex(transport="app-server", patience=Patience(retryable=1, first_wait=0.01)))
    first = chat.reply(asked, tools).message
    fake.fail("truncated", times=1)
    result = Message(role="tool", name="weather", content="3 C", ok=True)
    assert chat.reply((*asked, first, result), tools).message.content == "Cold."
    assert "Oslo" in json.dumps(fake.asked[-1].body["input"])


def test_eight_steps_at_once_do_not_meet(codex, fake, tools, transport, opened):
    def named(messages):
        return closing(messages[-1].content)

    fake.mind, fake.delay = named, 0.5
    teacher, gate = codex(transport=transport), threading.Barrier(8)

    def one(number):
        gate.wait()
        said = Message(role="user", content=f"I am {number}")
        return opened(teacher).reply([said], tools).message.content

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [f"I am {number}" for number in range(8)]
    assert time.monotonic() - began < 4 * 8 * 0.5


def test_a_client_that_speaks_another_protocol_is_an_unknown_failure(codex, fake, step, monkeypatch):
    monkeypatch.setattr("teachers.codex_client.app_server.AppServer._count", lambda *_: {}["tokenUsage"])
    error = failed(step, codex(transport="app-server"))
    assert error.kind is FailureKind.FATAL
    assert "another protocol" in str(error)
