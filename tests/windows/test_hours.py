"""Hours of the week by the wall clock, over midnight, weekends, and the days on which clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.windows.hours import DAY, DAYS, Hours, opens, parse, within

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([UTC, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/St_Johns")])
"""Lord Howe puts its clocks on by half an hour."""
HOURS = st.builds(
    Hours,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    begin=st.integers(0, DAY - 1),
    end=st.integers(1, DAY),
).filter(lambda each: each.begin != each.end)
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
]
MOMENTS = st.builds(
    lambda near, minutes: (near + timedelta(minutes=minutes)).timestamp() + 7.5,
    st.sampled_from([*CHANGES, datetime(2026, 6, 1, tzinfo=UTC)]),
    st.integers(-5 * DAY, 5 * DAY),
)


def minutes_of_the_week(hours):
    """Every minute of the week within, counted on from each beginning: another way to say what hours mean."""
    length = (hours.end - hours.begin) if hours.end > hours.begin else hours.end + DAY - hours.begin
    return {(day * DAY + hours.begin + each) % (7 * DAY) for day in hours.days for each in range(length)}


@given(HOURS, MOMENTS, ZONES)
def test_hours_are_what_the_clock_on_the_wall_shows(hours, moment, zone):
    there = datetime.fromtimestamp(moment, zone)
    minute = there.weekday() * DAY + there.hour * 60 + there.minute
    assert within([hours], moment, zone) == (minute in minutes_of_the_week(hours))


@given(st.lists(HOURS, min_size=1, max_size=3), MOMENTS, ZONES)
def test_they_open_at_the_first_minute_within_and_never_before(hours, moment, zone):
    found = opens(hours, moment, zone)
    assert found is not None
    assert moment < found
    assert found % 60 == 0
    assert within(hours, found, zone)
    between = range(int(moment // 60) * 60 + 60, int(found), 60)
    assert not any(within(hours, float(each), zone) for each in between)


@pytest.mark.parametrize(
    ("text", "now", "opening"),
    [
        ("22:00-07:00", "2026-06-01 12:00", "2026-06-01 22:00"),
        ("mon-fri 22:00-07:00", "2026-06-06 12:00", "2026-06-08 22:00"),  # a Saturday: the next is Monday's
        ("sat,sun 00:00-24:00", "2026-06-03 12:00", "2026-06-06 00:00"),
        ("fri-mon 1:00-2:00", "2026-06-01 02:30", "2026-06-05 01:00"),
        ("02:30-05:00", "2026-03-29 00:10", "2026-03-29 03:00"),  # the clock goes from 2:00 to 3:00
        ("sun 02:10-02:20", "2026-03-28 12:00", "2026-04-05 02:10"),  # this Sunday has no such minutes
        ("02:30-02:45", "2026-10-25 02:50", "2026-10-25 02:30+01:00"),  # from 3:00 back to 2:00: once more
    ],
)
def test_they_open_next(text, now, opening):
    moment = datetime.fromisoformat(now).replace(tzinfo=BERLIN).timestamp()
    told = datetime.fromisoformat(opening)
    wanted = told if told.tzinfo else told.replace(tzinfo=BERLIN)
    assert opens([parse(text)], moment, BERLIN) == wanted.timestamp()


def test_a_range_over_midnight_belongs_to_the_day_on_which_it_begins():
    friday = parse("fri 22:00-07:00")
    hours = {"2026-06-05 23:00": True, "2026-06-06 06:59": True, "2026-06-06 07:00": False, "2026-06-05 06:00": False}
    for text, inside in hours.items():
        assert within([friday], datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp(), BERLIN) == inside


@pytest.mark.parametrize(
    "text",
    [
        "",
        "night",
        "22-7",
        "25:00-07:00",
        "22:60-07:00",
        "24:00-07:00",
        "07:00-07:00",
        "foo 22:00-07:00",
        "mon- 1:00-2:00",
    ],
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=r"no hours|no time|no range|no day"):
        parse(text)


@given(st.text())
def test_whatever_is_written_is_read_or_refused(text):
    try:
        assert parse(text).days <= set(range(len(DAYS)))
    except ValueError as error:
        assert len(str(error)) < len(text) + 200  # noqa: PT017 - hypothesis has no other way to say "either"
