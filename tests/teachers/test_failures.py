"""What providers' failures mean: by status, by a machine's word, by a sentence, in each place where they stand."""

import json
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import FailureKind
from loop.types import Usage
from teachers.http.outcomes import unfinished
from teachers.http.reading import error_in
from teachers.provider.failures import FailureEvidence, by_text, error_within, evidence_of, judged

pytestmark = pytest.mark.reliability(id="F15")

RETRYABLE, QUOTA, AUTH = FailureKind.RETRYABLE, FailureKind.QUOTA, FailureKind.AUTH
FATAL, BAD_INPUT, BAD_OUTPUT = FailureKind.FATAL, FailureKind.BAD_INPUT, FailureKind.BAD_OUTPUT

BODIES = [
    ({"error": {"message": "Rate limit exceeded", "code": 429}}, RETRYABLE),
    ({"error": {"message": "x", "code": "429"}}, RETRYABLE),
    ({"error": {"message": "x", "status": 503}}, RETRYABLE),
    ({"error": {"message": "User not found.", "code": 401}}, AUTH),
    ({"error": {"message": "No auth credentials found", "code": 403}}, AUTH),
    ({"choices": None, "error": {"message": "upstream overloaded", "code": 502}}, RETRYABLE),
    ({"choices": [], "error": {"message": "x", "type": "overloaded_error"}}, RETRYABLE),
    ({"error": {"message": "x", "type": "insufficient_quota", "code": "insufficient_quota"}}, QUOTA),
    ({"error": {"message": "Insufficient credits. Add more", "code": 402}}, QUOTA),
    ({"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}, QUOTA),
    ({"error": {"message": "x", "type": "authentication_error"}}, AUTH),
    ({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, AUTH),
    ({"error": {"message": "x", "code": "invalid_credentials"}}, AUTH),
    ({"error": {"message": "x", "code": "load_balancer_error", "type": "server_error"}}, RETRYABLE),
    ({"error": {"message": "x", "code": "AccountSuspended"}}, AUTH),
    ({"error": {"message": "too long", "code": "context_length_exceeded"}}, BAD_INPUT),
    ({"error": {"message": "x", "code": "content_filter"}}, BAD_INPUT),
    ({"error": {"message": "x", "code": 1301, "type": "DataInspectionFailed"}}, BAD_INPUT),
    ({"error": {"message": "no such thing", "code": "model_not_found"}}, FATAL),
    ({"error": {"message": "bad", "type": "invalid_request_error"}}, FATAL),
    ({"error": {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}}, RETRYABLE),
    ({"error": {"message": "x", "status": "UNAUTHENTICATED"}}, AUTH),
    ({"error": {"message": "x", "status": "UNAVAILABLE"}}, RETRYABLE),
    ({"error": "Rate limit reached, try again in 20s"}, RETRYABLE),
    ({"error": "model 'x' not found"}, FATAL),
    ({"error": "Unauthorized"}, AUTH),
    ({"errors": [{"message": "Too many requests"}]}, RETRYABLE),
    ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, FATAL),
    ({"object": "error", "message": "Internal error", "type": "InternalServerError", "code": 500}, RETRYABLE),
    ({"detail": "Not authenticated", "code": 401}, AUTH),
    ({"detail": "Incorrect API key"}, AUTH),
    ({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, RETRYABLE),
    ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, QUOTA),
    ({"choices": [{"error": {"code": 502, "message": "x"}, "finish_reason": "error", "message": {}}]}, RETRYABLE),
    ({"choices": [{"error": {"code": 401, "message": "x"}, "message": {"content": ""}}]}, AUTH),
    ({"msg": "quota exceeded for today", "code": 11200}, QUOTA),
    ({"error": {"message": "the moon is full", "code": "lunar"}}, None),
]


@pytest.mark.parametrize(("body", "kind"), BODIES, ids=json.dumps)
def test_an_error_in_a_200_is_that_error(body, kind):
    choices = body.get("choices") or [{}]
    assert judged(evidence_of(error_in(body, choices[0]))) is kind


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
        {"choices": [{"message": {}, "error": None}], "error": None, "errors": []},
        {"choices": [{"message": {}}], "error": "", "message": "ok", "code": 0},
        {},
    ],
)
def test_no_error_is_found_where_there_is_none(body):
    assert error_in(body, (body.get("choices") or [{}])[0]) is None


STATUSES = [
    (400, "Parameter risk_level is not allowed", FATAL),
    (400, "Unknown parameter: 'moderation'.", FATAL),
    (400, "Unrecognized request argument supplied: content_filter", FATAL),
    (400, "context_window: extra inputs are not permitted", FATAL),
    (400, "Unsupported value for option 'prompt_length'", FATAL),
    (400, "max_tokens is too large: 99999. This model supports at most 4096 completion tokens", FATAL),
    (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", BAD_INPUT),
    (
        400,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 input tokens",
        FATAL,
    ),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", BAD_INPUT),
    (400, "The request exceeds the available context size, try increasing it", BAD_INPUT),
    (400, "Content Exists Risk", BAD_INPUT),
    (400, "The response was filtered due to the prompt triggering the content management policy", BAD_INPUT),
    (400, "Your request was rejected as a result of our safety system", BAD_INPUT),
    (400, "API key not valid. Please pass a valid API key.", AUTH),
    (400, "Invalid API key", AUTH),
    (400, "what is this", FATAL),
    (401, "x", AUTH),
    (402, "x", QUOTA),
    (403, "You exceeded your current quota, please check your plan and billing details", QUOTA),
    (403, "x", AUTH),
    (404, "x", FATAL),
    (413, "x", BAD_INPUT),
    (418, "I am a teapot", None),
    (429, "x", RETRYABLE),
    (429, "You exceeded your current quota", QUOTA),
    (429, "You have reached your monthly spending limit", QUOTA),
    (307, "moved", FATAL),
    (500, "x", RETRYABLE),
    (529, "x", RETRYABLE),
]


@pytest.mark.parametrize(("status", "text", "kind"), STATUSES)
def test_a_status_has_its_kind_and_a_sentence_may_refine_it(status, text, kind):
    assert judged(FailureEvidence(status, (), text)) is kind


def test_a_telling_word_goes_before_its_status():
    assert judged(FailureEvidence(429, ("insufficient_quota",), "x")) is QUOTA
    assert judged(FailureEvidence(400, ("context_length_exceeded",), "x")) is BAD_INPUT
    assert judged(FailureEvidence(402, ("invalid_request_error",), "Insufficient Balance")) is QUOTA
    assert judged(FailureEvidence(401, ("invalid_request_error", "authentication_error"), "x")) is AUTH


FINISHES = {
    "stop": None, "STOP": None, "tool_calls": None, "end_turn": None, "eos_token": None, "function-call": None,
    "length": BAD_OUTPUT, "max_tokens": BAD_OUTPUT, "MAX_TOKENS": BAD_OUTPUT, "model_length": BAD_OUTPUT,
    "MALFORMED_FUNCTION_CALL": BAD_OUTPUT, "repetition_truncation": BAD_OUTPUT,
    "content_filter": BAD_INPUT, "SAFETY": BAD_INPUT, "sensitive": BAD_INPUT, "refusal": BAD_INPUT,
    "model_context_window_exceeded": BAD_INPUT,
    "abort": RETRYABLE, "aborted": RETRYABLE, "error": RETRYABLE, "cancelled": RETRYABLE, "timeout": RETRYABLE,
    "network_error": RETRYABLE, "insufficient_system_resource": RETRYABLE, "pause_turn": RETRYABLE,
}  # fmt: skip


@pytest.mark.parametrize("reason", FINISHES)
def test_an_answer_counts_only_if_it_came_to_its_end(reason):
    fault = unfinished(reason, Usage(), calls=False)
    assert (fault and fault.kind) is FINISHES[reason]
    assert fault is None or not fault.unknown


@pytest.mark.parametrize("reason", ["lunar", "", None, 7, {"a": 1}])
def test_a_way_to_end_that_nobody_knows_is_no_answer(reason):
    fault = unfinished(reason, Usage(), calls=False)
    assert (fault.kind, fault.unknown) == (RETRYABLE, True)


def test_whole_calls_show_their_end_themselves():
    assert unfinished(None, Usage(), calls=True) is None
    assert unfinished("abort", Usage(), calls=True).kind is RETRYABLE


def test_an_error_is_found_in_a_sentence():
    assert error_within('unexpected status 402: {"detail":{"code":"x"}} and so on')["detail"] == {"code": "x"}
    assert error_within('400: {"error":{"code":"a"}}') == {"code": "a"}
    assert error_within("nothing {here") is None


@given(st.text())
def test_no_text_breaks_a_judgement(text):
    by_text(text)
    judged(FailureEvidence(400, (text,), text))
    error_within(text)
    unfinished(text, Usage(), calls=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["error", "code", "message", "x"]), inner)
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(["error", "errors", "choices", "message", "detail", "code", "base_resp"]), json_values
    )
)
def test_no_body_breaks_the_reading(body):
    error = error_in(body, {})
    if error is not None:
        judged(evidence_of(error))


@pytest.mark.parametrize(
    "unit", ["context ", "exceed ", "invalid ", "blocked ", "token ", "{", "status 4", "max_tokens "]
)
def test_a_long_sentence_takes_no_time(unit):
    text = unit * (1_000_000 // len(unit))
    assert timeit.timeit(lambda: judged(evidence_of({"code": text, "message": text}, 400)), number=1) < 0.5
