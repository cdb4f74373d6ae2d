"""Lists of plays: a filter finds what it names and nothing else; pages join without gap or overlap, in bounded time."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loop.errors import UsageError
from loop.runtime import query
from loop.types import Call, Message
from loop.ui import listing
from loop.ui.listing import PlayFilter, find


@pytest.fixture
def ask(url, store, lived):
    with query.read_only(url) as asked:
        yield asked


def ids(page):
    return [each.trajectory for each in page.rows]


def test_everything_is_listed_the_newest_first(ask):
    page = find(ask, PlayFilter())
    assert len(page.rows) == 5
    assert [each.stored for each in page.rows] == sorted((each.stored for each in page.rows), reverse=True)
    assert (page.next, page.back_to) == (None, None)
    assert {each.failed for each in page.rows if each.accepted is False} == {("outcome",)}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"backend": "Trade"}, 3),
        ({"backend": "Files"}, 5),
        ({"backend": "Fil"}, 0),
        ({"family": "looking", "tier": "easy"}, 5),
        ({"tier": "hard"}, 0),
        ({"verdict": "accepted"}, 4),
        ({"verdict": "refused"}, 1),
        ({"verdict": "open"}, 0),
        ({"failed": "outcome"}, 1),
        ({"failed": "stop"}, 0),
        ({"player": "scripted"}, 1),
        ({"round": 1}, 5),
        ({"round": 2}, 0),
        ({"purpose": "train"}, 5),
        ({"purpose": "gate"}, 0),
        ({"suite": "files"}, 0),
        ({"words": "LOOK there"}, 5),
        ({"words": '"x"'}, 5),
        ({"words": "%"}, 0),
        ({"words": "l_ok"}, 0),
        ({"words": "' or 1=1 --"}, 0),
        ({"words": "?"}, 0),
        ({"backend": "Trade", "player": "scripted", "words": "done"}, 1),
    ],
)
def test_a_filter_finds_what_it_names(ask, wanted, count):
    assert len(find(ask, PlayFilter.model_validate(wanted)).rows) == count


def test_tasks_and_policies_are_named_by_their_beginning(ask):
    first = find(ask, PlayFilter()).rows[-1]
    assert first.policy
    assert len(find(ask, PlayFilter(task=first.task[:6])).rows) == 2
    assert len(find(ask, PlayFilter(policy=first.policy[:6])).rows) == 4
    assert find(ask, PlayFilter(policy="zz")).rows == ()


@given(limit=st.integers(1, 6), stride=st.integers(1, 6), seconds=st.sampled_from([0.0, 60.0]))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the store is only read
def test_pages_join_without_gap_or_overlap(ask, limit, stride, seconds):
    whole, joined, after = ids(find(ask, PlayFilter(verdict="accepted"))), [], None
    kept, listing.STRIDE = listing.STRIDE, stride
    try:
        for _ in range(20):
            page = find(ask, PlayFilter(verdict="accepted"), after=after, limit=limit, seconds=seconds)
            joined += ids(page)
            after = page.next
            if after is None:
                break
    finally:
        listing.STRIDE = kept
    assert joined == whole


@pytest.mark.parametrize("words", ["there look", "!"])
def test_a_page_that_ran_out_of_time_says_how_far_it_came(ask, monkeypatch, words):
    monkeypatch.setattr(listing, "STRIDE_OF_WORDS", 2)
    page = find(ask, PlayFilter(words=words), seconds=0)
    assert page.rows == ()
    assert page.next is not None
    assert page.back_to == find(ask, PlayFilter()).rows[1].stored


@pytest.mark.parametrize(("limit", "stride"), [(1, 1), (2, 1), (2, 3), (3, 2), (9, 2)])
def test_pages_of_a_search_join_too(ask, monkeypatch, limit, stride):
    whole, joined, after = ids(find(ask, PlayFilter(words="look there", verdict="accepted"))), [], None
    monkeypatch.setattr(listing, "STRIDE_OF_WORDS", stride)
    for _ in range(20):
        page = find(ask, PlayFilter(words="Look the", verdict="accepted"), after=after, limit=limit, seconds=0)
        joined += ids(page)
        after = page.next
        if after is None:
            break
    assert joined == whole
    assert len(whole) == 4


def test_a_search_goes_on_from_its_own_cursors_only(ask):
    with pytest.raises(UsageError, match="no cursor of a search"):
        find(ask, PlayFilter(words="look"), after=find(ask, PlayFilter(), limit=1).next)


@pytest.mark.parametrize("cursor", ["x", "-", "12", "12-", "9" * 30 + "-a", "\u0661-a", "1;drop-a"])
def test_a_cursor_of_nobodys_is_refused(ask, cursor):
    with pytest.raises(UsageError, match="cursor"):
        find(ask, PlayFilter(), after=cursor)


def test_calls_are_searched_by_their_arguments(ask, store, make, lived):
    rnd = store.rounds.open("config", 0)
    play = make.play(rnd, make.task(9), policy=make.policy)
    store.plays.owe(rnd, [play.task], [play])
    call = Call(name="look", arguments={"at": "A Zebra 100%"})
    messages = (Message(role="user", content="hm"), Message(role="assistant", content="", calls=(call,)))
    store.plays.finish(play, make.trajectory(play, messages=messages))
    for words in ("zebra 100%", "zeb", "a zebra", '"at":"A Zebra', "look"):
        assert play.id in ids(find(ask, PlayFilter(words=words))), words
    for words in ("zebra 10%", "bra 100%", "zebras", "zebra a"):
        assert ids(find(ask, PlayFilter(words=words))) == [], words
