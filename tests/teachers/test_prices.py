from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.types import Usage
from teachers.budget.prices import DEEPSEEK, Price, is_peak, off_peak_at, price_of


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "peak"),
    [
        ("2026-11-20T01:00:00", True),  # Friday 9:00 in Beijing
        ("2026-11-20T00:59:59", False),
        ("2026-11-20T04:00:00", False),
        ("2026-11-20T06:00:00", True),
        ("2026-11-20T09:59:59", True),
        ("2026-11-20T10:00:00", False),
        ("2026-11-21T02:00:00", False),  # Saturday
        ("2026-11-22T02:00:00", False),
    ],
)
def test_the_dear_hours_are_beijings_working_hours(moment, peak):
    assert is_peak(at(moment)) is peak


def test_a_holiday_is_off_peak_all_day():
    assert not is_peak(at("2026-10-01T02:00:00"), frozenset({"2026-10-01"}))


def test_the_dear_hours_end_when_they_end():
    assert off_peak_at(at("2026-11-20T07:12:34")) == at("2026-11-20T10:00:00")
    assert off_peak_at(at("2026-11-20T05:00:00")) is None


@given(st.integers(0, 4_000_000_000))
def test_waiting_for_the_cheaper_hours_ends_in_them_within_four_hours(now):
    cheaper = off_peak_at(now)
    assert (cheaper is not None) == is_peak(now)
    if cheaper is not None:
        assert now < cheaper <= now + 4 * 3600
        assert not is_peak(cheaper)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("deepseek-flash", "flash"),
        ("DeepSeek-V4.1-Flash-1017", "flash"),
        ("DeepSeek-V4-Pro-0813", "v4-pro"),
        ("gpt-6", None),
    ],
)
def test_a_price_is_found_by_the_model_that_answered(model, found):
    assert price_of(model, DEEPSEEK) == DEEPSEEK.get(found)


def test_the_longest_name_wins():
    prices = {"flash": Price(hit=1, miss=1, output=1), "flash-lite": Price(hit=2, miss=2, output=2)}
    assert price_of("x-flash-lite-2", prices) == prices["flash-lite"]


def test_a_million_of_each_costs_the_sum_and_double_at_the_peak():
    usage = Usage(prompt_tokens=2_000_000, cached_tokens=1_000_000, completion_tokens=1_000_000)
    price = DEEPSEEK["flash"]
    assert price.of(usage, peak=False) == pytest.approx(0.003 + 0.15 + 0.60)
    assert price.of(usage, peak=True) == pytest.approx(2 * (0.003 + 0.15 + 0.60))


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_usage_is_priced_below_nothing(prompt, cached, completion):
    usage = Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)
    assert DEEPSEEK["v4-pro"].of(usage, peak=False) >= 0
