"""The Codex client's notices of rate limits: what they leave out stays known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.codex_client.windows import merged, reset_of, windows_of
from teachers.provider.waits import LONGEST

NOW = 1_800_000_000.0
WEEK = {"usedPercent": 100, "resetsAt": NOW + 500_000}
HOURS = {"usedPercent": 12, "resetsAt": NOW + 60}


def after(*notices):
    known = ()
    for notice in notices:
        known = merged(known, windows_of(notice, NOW), NOW)
    return known


FIRST = {"limitId": "codex", "primary": HOURS, "secondary": WEEK}


@pytest.mark.parametrize(
    "notice",
    [
        {"limitId": "codex", "primary": {"usedPercent": 13, "resetsAt": NOW + 60}, "secondary": None},
        {"limitId": "codex", "primary": {"usedPercent": 13}},
        {"limitId": "codex_other", "primary": {"usedPercent": 1, "resetsAt": NOW + 9}, "secondary": {"usedPercent": 2}},
        {"limitId": "codex_other", "secondary": {"usedPercent": 100, "resetsAt": NOW + 600_000}},
        {"limitId": "codex", "secondary": {"usedPercent": 100}},
        {"limitId": "codex", "secondary": {"resetsAt": NOW + 9}},
        {"primary": None, "secondary": None},
        {},
        None,
        "nothing",
    ],
)
def test_a_sparse_or_foreign_notice_wipes_nothing(notice):
    assert reset_of(after(FIRST, notice), NOW) == NOW + 500_000


def test_a_window_that_is_told_to_be_free_is_free():
    assert reset_of(after(FIRST, {"secondary": {"usedPercent": 3, "resetsAt": NOW + 9}}), NOW) is None


def test_a_window_that_ended_is_forgotten():
    known = merged(after(FIRST), (), NOW + 600_000)
    assert known == ()
    assert reset_of(after(FIRST), NOW + 600_000) is None


def test_a_foreign_limit_counts_where_nothing_else_is_spent():
    assert reset_of(after({"limitId": "x", "primary": {"usedPercent": 100, "resetsAt": NOW + 9}}), NOW) == NOW + 9


@given(st.integers() | st.floats() | st.text() | st.none() | st.booleans(), st.integers() | st.floats() | st.text())
def test_whatever_a_notice_says_is_bounded(used, resets_at):
    for window in windows_of({"primary": {"usedPercent": used, "resetsAt": resets_at}}, NOW):
        assert 0 <= window.used <= 10
        assert window.resets_at is None or 0 <= window.resets_at <= NOW + LONGEST


def test_milliseconds_are_seen_as_such():
    (window,) = windows_of({"primary": {"usedPercent": 1, "resetsAt": (NOW + 60) * 1000}}, NOW)
    assert window.resets_at == NOW + 60
