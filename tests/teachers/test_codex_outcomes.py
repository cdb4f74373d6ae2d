"""The texts of the Codex client, as captured, and the times in them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import FailureKind
from teachers.codex_client.outcomes import by_text, failure, reset_told, wait_told

pytestmark = pytest.mark.reliability(id="F14")

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC).timestamp()
HIT = "You\u2019ve hit your usage limit."

TEXTS = {
    f"{HIT} Upgrade to Pro (https://x), visit https://y to buy more or try again at 9:41 AM.": FailureKind.QUOTA,
    f"{HIT} Try again later.": FailureKind.QUOTA,
    "Your workspace is out of credits. Ask your workspace owner to refill in order to continue.": FailureKind.QUOTA,
    "To use Codex with your ChatGPT plan, upgrade to Plus: https://x": FailureKind.QUOTA,
    "Quota exceeded. Check your plan and billing details.": FailureKind.QUOTA,
    "unexpected status 401 Unauthorized: x, url: http://y": FailureKind.AUTH,
    "Your access token could not be refreshed because your refresh token was already used.": FailureKind.AUTH,
    "exceeded retry limit, last status: 429 Too Many Requests": FailureKind.RETRYABLE,
    "We\u2019re currently experiencing high demand, which may cause temporary errors.": FailureKind.RETRYABLE,
    "stream disconnected before completion: stream closed before response.completed": FailureKind.RETRYABLE,
    "stream disconnected before completion: idle timeout waiting for SSE": FailureKind.RETRYABLE,
    "stream disconnected before completion: Incomplete response, reason: content_filter": FailureKind.BAD_INPUT,
    "Incomplete response returned, reason: max_output_tokens": FailureKind.BAD_OUTPUT,
    "rate limit exceeded: x Please try again in 1.5s.": FailureKind.RETRYABLE,
    "Codex ran out of room in the model's context window. Start a new thread": FailureKind.BAD_INPUT,
    "Selected model is at capacity. Please try a different model.": FailureKind.RETRYABLE,
    "Connection failed: error sending request": FailureKind.RETRYABLE,
    "Missing environment variable: `FAKE_KEY`.": FailureKind.FATAL,
    '{"error":{"message":"x","code":"invalid_json_schema"}}': FailureKind.FATAL,
    "unexpected status 404 Not Found: x": FailureKind.FATAL,
    "Error loading config.toml: unknown field": FailureKind.FATAL,
    "Not logged in. Run codex login": FailureKind.AUTH,
    "You hit your spend cap set in your workspace. Increase your spend cap to continue.": FailureKind.QUOTA,
    "You hit your spend cap set by the owner of your workspace. Ask an owner to increase it.": FailureKind.QUOTA,
    "Your workspace is out of credits. Add credits to continue.": FailureKind.QUOTA,
    f"{HIT} A promotion is on, or try again later.": FailureKind.QUOTA,
    f"{HIT[:-1]} for gpt-x. Switch to another model now, or try again later.": FailureKind.QUOTA,
    "request timed out": FailureKind.RETRYABLE,
    "timeout waiting for child process to exit": FailureKind.RETRYABLE,
    "Error while reading the server response: error decoding response body, request id: 401": FailureKind.RETRYABLE,
    "Connection failed: error sending request for url (http://127.0.0.1:401/v1/responses)": FailureKind.RETRYABLE,
    "Access blocked by Cloudflare. It happens in a restricted region (status 403 Forbidden)": FailureKind.FATAL,
    "Your input exceeds the context window of this model. Adjust your input and try again.": FailureKind.BAD_INPUT,
    "Your session has expired. Please log in again.": FailureKind.AUTH,
    "Your access token could not be refreshed because you have since logged out or signed in again.": FailureKind.AUTH,
    'unexpected status 402 Payment Required: {"detail":{"code":"deactivated_workspace"}}': FailureKind.AUTH,
    "unexpected status 402 Payment Required: pay": FailureKind.QUOTA,
    "unexpected status 429 Too Many Requests: You exceeded your current quota": FailureKind.QUOTA,
    "unexpected status 400 Bad Request: Unknown parameter: 'moderation'": FailureKind.FATAL,
    "unexpected status 413 Payload Too Large: x": FailureKind.BAD_INPUT,
    "unexpected status 502 Bad Gateway: <html>, url: http://y/401": FailureKind.RETRYABLE,
    "HTTP status server error (503 Service Unavailable) for url (https://x)": FailureKind.RETRYABLE,
    "HTTP status client error (401 Unauthorized) for url (https://x)": FailureKind.AUTH,
    "The 'x' model requires a newer version of Codex. Please upgrade to the latest app or CLI": FailureKind.FATAL,
    "The 'x' model is not supported when using Codex with a ChatGPT account.": FailureKind.FATAL,
    "No space left on device (os error 28)": FailureKind.FATAL,
    "Permission denied (os error 13)": FailureKind.FATAL,
    "Connection reset by peer (os error 104)": FailureKind.RETRYABLE,
    "Too many open files (os error 24)": FailureKind.RETRYABLE,
    "EOF while parsing a value at line 1 column 0": FailureKind.RETRYABLE,
    "internal error; agent loop died unexpectedly": FailureKind.RETRYABLE,
    "turn aborted. Something went wrong? Hit `/feedback` to report the issue.": FailureKind.RETRYABLE,
    "sandbox error: Landlock was not able to fully enforce all sandbox rules": FailureKind.FATAL,
    "unsupported operation: x": FailureKind.FATAL,
    "Fatal error: x": FailureKind.FATAL,
    "Image poisoning": FailureKind.BAD_INPUT,
    "Something that was never seen before": None,
    "exited with code 401": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_captured_text_has_its_kind(text):
    assert by_text(text) is TEXTS[text]


def told(text):
    return datetime.fromtimestamp(reset_told(f"{HIT} or {text}", NOW), UTC).isoformat()


def test_a_time_alone_is_todays_or_tomorrows():
    assert told("try again at 9:41 AM.") == "2026-11-21T09:41:00+00:00"
    assert told("try again at 8:59 PM.") == "2026-11-21T20:59:00+00:00"
    assert told("try again at 8:41 AM.") == "2026-11-22T08:41:00+00:00"
    assert told("try again at 12:05 AM.") == "2026-11-22T00:05:00+00:00"
    assert told("try again at 12:05 PM.") == "2026-11-21T12:05:00+00:00"


def test_a_date_is_that_date():
    assert told("try again at Nov 22nd, 2026 1:07 PM.") == "2026-11-22T13:07:00+00:00"
    assert told("try again at Nov 23rd, 2026 12:00 AM.") == "2026-11-23T00:00:00+00:00"


def test_a_date_far_away_is_tried_before():
    assert told("try again at Jan 1st, 2999 12:00 AM.") == "2026-11-29T09:00:00+00:00"
    assert told("try again in 9999 days.") == "2026-11-29T09:00:00+00:00"


def test_an_older_clients_words_are_read():
    assert reset_told("try again in 2 days 17 hours 14 minutes.", NOW) - NOW == 2 * 86400 + 17 * 3600 + 14 * 60
    assert reset_told("try again in 1 hour.", NOW) - NOW == 3600


@pytest.mark.parametrize(
    "text", ["try again later", "try again at Foo 99th, 2026 1:07 PM.", "try again at 9:99 AM", ""]
)
def test_what_is_no_time_is_none(text):
    assert reset_told(text, NOW) is None


@given(st.text())
def test_no_text_breaks_the_reading(text):
    reset_told(f"try again at {text}", NOW)
    reset_told(f"try again in {text}", NOW)
    wait_told(f"try again in {text}")
    failure(text, NOW)


@given(st.integers(0, 23 * 60))
def test_a_time_within_a_day_is_found_again(minutes):
    moment = datetime.fromtimestamp(NOW, UTC) + timedelta(minutes=minutes)
    spelt = moment.strftime("%I:%M %p").lstrip("0")
    assert reset_told(f"try again at {spelt}", NOW) == moment.timestamp()


def test_short_waits_are_kept_apart_from_rests():
    assert wait_told("Please try again in 1.5s.") == 1.5
    assert wait_told("Please try again in 250ms.") == 0.25
    error = failure("rate limit exceeded: Please try again in 11.054s.", NOW)
    assert (error.kind, error.after) == (FailureKind.RETRYABLE, 11.054)


def test_a_spent_plan_is_tried_again_in_an_hour():
    assert failure("Quota exceeded. Check your plan and billing details.", NOW).retry_at == NOW + 3600


CODES = {
    "usageLimitExceeded": FailureKind.QUOTA,
    "rateLimitExceeded": FailureKind.RETRYABLE,
    "contextWindowExceeded": FailureKind.BAD_INPUT,
    "unauthorized": FailureKind.AUTH,
    "badRequest": FailureKind.FATAL,
}


@pytest.mark.parametrize("code", CODES)
def test_a_typed_error_goes_before_its_text(code):
    assert failure("stream disconnected", NOW, info=code).kind is CODES[code]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, FailureKind.AUTH),
        (404, FailureKind.FATAL),
        (429, FailureKind.RETRYABLE),
        (503, FailureKind.RETRYABLE),
        (None, FailureKind.RETRYABLE),
    ],
)
def test_a_status_of_the_app_server_has_its_kind(status, kind):
    assert failure("x", NOW, info={"httpConnectionFailed": {"httpStatusCode": status}}).kind is kind


def test_other_falls_back_to_the_text():
    assert failure(f"{HIT} try again later", NOW, info="other").kind is FailureKind.QUOTA
    assert failure("never seen", NOW, info="other").unknown
    assert failure("never seen", NOW, info={"odd": [1], "er": 2}).unknown


def test_a_told_reset_goes_before_the_text():
    assert failure(f"{HIT} try again at 9:41 AM.", NOW, info="usageLimitExceeded", reset=NOW + 5).retry_at == NOW + 5
