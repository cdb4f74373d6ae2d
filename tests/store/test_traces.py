"""Traces are kept once, whole, with where they come from; corrections stay as they were said."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from loop.errors import CheckNegative
from loop.store import db
from loop.store.traces import Kept, Provenance
from loop.traces.importing import task_of, trajectory_of
from loop.traces.trace import Trace
from loop.types import Call, Catalogue, Message, Split, Tool, Verdict

TOOLS = Catalogue(tools=(Tool(name="find", description="", parameters={"type": "object", "properties": {}}),))


def kept(name, said="Hello", group="trace/a", split=Split.TRAIN, **provenance):
    messages = (
        Message(role="user", content=said),
        Message(role="assistant", content="", calls=(Call(name="find", arguments={"n": 1}),), learned=False),
        Message(role="tool", name="find", content="", fault="the trace holds no result of this call"),
        Message(role="assistant", content="So."),
    )
    task = task_of(messages, TOOLS, group, split)
    trajectory = trajectory_of(task, Trace(messages=messages, happened=5), TOOLS)
    return Kept(id=name, task=task, trajectory=trajectory, provenance=Provenance(format="f", source="x", **provenance))


def test_a_trace_comes_back_as_it_went_in(store):
    one = kept("t1", line=3, replaced={"email": 2}, changes=({"place": 1, "was": {"content": "é"}},), speaker="s")
    assert store.traces.keep([one]) == 1
    assert list(store.traces.all()) == [one]
    shown = store.trajectories.get("t1")
    assert (shown.round, shown.trajectory, shown.task) == (0, one.trajectory, one.task)


def test_keeping_a_trace_twice_changes_nothing(store):
    assert store.traces.keep([kept("t1"), kept("t1")]) == 1
    assert store.traces.keep([kept("t1"), kept("t2", "More")]) == 1
    assert store.traces.known(["t1", "t2", "t3"]) == {"t1", "t2"}


def test_two_traces_that_ask_the_same_are_two(store):
    assert store.traces.keep([kept("t1"), kept("t2")]) == 2


def test_a_group_stays_in_its_split_and_a_batch_is_kept_whole_or_not_at_all(store):
    store.traces.keep([kept("t1", group="trace/a")])
    assert store.tasks.splits(["trace/a", "trace/b"]) == {"trace/a": Split.TRAIN}
    with pytest.raises(CheckNegative, match="split train"):
        store.traces.keep(
            [kept("t2", "New", group="trace/b"), kept("t3", "Other", group="trace/a", split=Split.HELDOUT)]
        )
    assert store.traces.known(["t2", "t3"]) == set()


def test_filters_decide_what_is_accepted_and_the_configured_checkers_do_not(store):
    store.traces.keep([kept("t1"), kept("t2", "More")])
    filters = [("trace-order", 1)]
    assert [each.id for each in store.traces.unfiltered(filters)] == ["t1", "t2"]
    for name, passed in (("t1", True), ("t2", False)):
        verdict = Verdict(checker="trace-order", version=1, passed=passed, score=1, reason="r")
        store.verdicts.record(name, [verdict], filters)
    assert list(store.traces.unfiltered(filters)) == []
    assert [each.id for each in store.traces.unfiltered([("trace-order", 2)])] == ["t1", "t2"]
    store.verdicts.require([("outcome", 1)])
    assert [each.id for each in store.traces.all(accepted=True)] == ["t1"]
    assert [each.id for each in store.traces.all(accepted=False)] == ["t2"]


def test_what_was_made_of_a_trace_is_found_by_it(store):
    store.traces.keep([kept("t1"), kept("t2", "More", origin="t1", arm="filtered")])
    assert [each.id for each in store.traces.all(origin="t1")] == ["t2"]
    assert [each.id for each in store.traces.all(arm="direct")] == ["t1"]
    assert store.traces.counts() == {"direct": 1, "filtered": 1}


def test_a_correction_is_never_changed(url, store):
    engine = db.engine(url)
    say = "insert into correction (key, kind, author, note, request, body, said) values ('k', 'up', 'a', '', '', '', 1)"
    with engine.begin() as connection:
        connection.execute(text(say))
    for change in ("update correction set note = 'x'", "delete from correction"):
        with pytest.raises(IntegrityError, match="what was said of an answer stays"), engine.begin() as connection:
            connection.execute(text(change))
    engine.dispose()
