"""How long a provider asks to wait, in every spelling, and never longer than anybody should."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.provider.waits import LONGEST, moment, stated_by_body, stated_by_headers, stated_by_text

NOW = 1_800_000_000.0

HEADERS = {
    "3": 3.0, "0.5": 0.5, "0": None, "-3": None, "nan": None, "inf": None, "1e400": None, "": None, "soon": None,
    "99999999999999999999": LONGEST, "6m0s": 360.0,
    formatdate(NOW + 7200, usegmt=True): 7200.0,
    "Friday, 15-Jan-27 10:00:00 GMT": 7200.0,
    "Fri Jan 15 10:00:00 2027": 7200.0,
    formatdate(NOW - 7200, usegmt=True): None,
    "Fri, 31 Dec 9999 23:59:59 GMT": LONGEST,
    "Wed, 99 Foo 2026 00:00:00 GMT": None,
}  # fmt: skip


@pytest.mark.parametrize("text", HEADERS)
def test_retry_after_is_seconds_or_a_date(text):
    assert stated_by_headers({"retry-after": text}, NOW) == HEADERS[text]


def test_other_headers_are_read_where_they_say_it():
    assert stated_by_headers({"retry-after-ms": "250", "retry-after": "9"}, NOW) == 0.25
    assert stated_by_headers({"x-ratelimit-reset": str(int(NOW + 60))}, NOW) == 60.0
    assert stated_by_headers({"x-ratelimit-reset": str(int(NOW + 60) * 1000)}, NOW) == 60.0
    assert stated_by_headers({}, NOW) is None


BODIES = [
    ({"retry_after": 20}, 20.0),
    ({"metadata": {"retry_after_seconds": "20"}}, 20.0),
    ({"metadata": {"headers": {"Retry-After": "20"}}}, 20.0),
    ({"resets_at": NOW + 20}, 20.0),
    ({"resets_at": 1e300}, LONGEST),
    ({"resets_in_seconds": -1}, None),
    ({"metadata": [3], "headers": 4}, None),
    ("text", None),
    (None, None),
]


@pytest.mark.parametrize(("body", "wait"), BODIES)
def test_a_wait_in_an_error_is_found(body, wait):
    assert stated_by_body(body, NOW) == wait


SENTENCES = {
    "Please try again in 1.5s.": 1.5,
    "try again in 250ms": 0.25,
    "try again in 2 days 17 hours 14 minutes.": 234_840.0,
    "Try again in 1 day, 2 hours and 3 minutes": 93_780.0,
    "Limit 3, Used 3. Please try again in 6m0s. Visit": 360.0,
    "retry after 20 seconds": 20.0,
    "Please retry in 36.9s": 36.9,
    "quota resets in 4h": 14_400.0,
    "try again in 999999999 days": LONGEST,
    "try again at 9:41 AM": None,
    "try again in 5 mistakes": None,
    "try again later": None,
}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_wait_in_a_sentence_is_found(text):
    assert stated_by_text(text) == SENTENCES[text]


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans() | st.lists(st.integers()))
def test_no_moment_is_further_away_than_is_waited_for(value):
    found = moment(value, NOW)
    assert found is None or NOW < found <= NOW + LONGEST


@given(st.text())
def test_no_text_breaks_the_reading(text):
    by_headers = stated_by_headers({"retry-after": text, "x-ratelimit-reset": text}, NOW)
    for wait in (by_headers, stated_by_text(f"try again in {text}")):
        assert wait is None or 0 < wait <= LONGEST
