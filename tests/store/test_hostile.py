"""Whatever a player writes is stored and comes back in its canonical spelling, the same on both databases."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loop.canonical import canonical
from loop.types import (
    Call,
    Catalogue,
    Dataset,
    Event,
    Message,
    Purpose,
    Standing,
    Task,
    Tool,
    Trajectory,
    Usage,
    Verdict,
)

letters = st.text(st.characters(codec=None, categories=None), max_size=30)  # NUL and lone surrogates included
numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | letters,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(letters, inner, max_size=4),
    max_leaves=12,
)
arguments = st.dictionaries(letters, values, max_size=3)
calls = st.lists(st.builds(Call, name=letters, arguments=arguments), max_size=2).map(tuple)
messages = st.one_of(
    st.builds(Message, role=st.sampled_from(("system", "user")), content=letters, adds=st.lists(letters).map(tuple)),
    st.builds(
        Message,
        role=st.just("assistant"),
        content=letters,
        calls=calls,
        tokens=st.none() | st.lists(st.integers(0, 2**31), max_size=5).map(tuple),
        leniencies=st.lists(letters, max_size=2).map(tuple),
        fault=st.none() | letters,
        reasoning=st.none() | letters,
    ),
    st.builds(Message, role=st.just("tool"), content=letters, name=letters, ok=st.none() | st.booleans()),
)
tools = st.builds(Tool, name=letters, description=letters, parameters=arguments)
slow = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def spelled(record):
    """How a record reads once it is canonical."""
    return type(record).model_validate(json.loads(canonical(record.model_dump(mode="json"))))


@slow
@given(written=st.tuples(st.lists(messages, max_size=5), st.lists(tools, max_size=2), arguments, arguments))
def test_a_hostile_play_comes_back_in_its_canonical_spelling(store, make, written):
    said, offered, state, evidence = written
    store.policies.add(make.policy, Standing.CHAMPION)
    rnd = store.rounds.open("config", 0)
    seed = store.plays.progress(rnd)[1]
    task: Task = make.task(seed).model_copy(update={"initial": state, "source": json.dumps(state)[:50]})
    play = make.play(rnd, task, policy=make.policy)
    played: Trajectory = make.trajectory(play, messages=tuple(said), catalogue=Catalogue(tools=tuple(offered)))
    verdict: Verdict = make.verdict(evidence=evidence)
    store.plays.owe(rnd, [task], [play])
    assert store.plays.finish(play, played) == play.id
    store.verdicts.record(play.id, [verdict])
    shown = store.trajectories.get(play.id)
    assert shown.task == spelled(task)
    assert shown.task.id == task.id
    assert shown.trajectory == spelled(played)
    assert shown.trajectory.catalogue.id == played.catalogue.id
    assert shown.verdicts == (spelled(verdict),)


@slow
@given(fields=arguments, text=letters)
def test_hostile_words_come_back_from_every_other_table(store, fields, text):
    event: Event = store.events.record("odd", text=text, fields=fields)
    assert next(store.events.read(since=event.id - 1)) == spelled(event)
    rnd = store.rounds.open("config", 0)
    dataset = Dataset(id=str(event.id), rows=(), counts={"kept": 1}, rules={"rule": fields, "text": text})
    store.datasets.save(rnd, dataset)
    assert store.datasets.of(rnd) == spelled(dataset)
    store.gates.pause(f"gate{event.id}", text)
    store.spend.settle(store.spend.reserve(canonical(text), Usage(requests=1)), Usage(requests=1), text)


HOSTILE = ("\0", "\ud800", "\udc00 \ud800", "'; drop table round; --", "%s %(x)s :x ?", "\u2028\ufeff\x1b[31m")


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_that_break_databases_do_not(store, make, text):
    store.policies.add(make.policy.model_copy(update={"system": text}), Standing.CHAMPION)
    rnd = store.rounds.open(canonical(text), 0)
    play = make.play(rnd, make.task(1)).model_copy(update={"system": text})
    store.plays.owe(rnd, [], [play])
    assert store.plays.owed(rnd, Purpose.TRAIN)[0].task == play.task
    message = Message(role="tool", name=text, content=text, ok=False)
    store.plays.finish(play, make.trajectory(play, messages=(message,)))
    assert store.trajectories.get(play.id).trajectory.messages == (spelled(message),)
