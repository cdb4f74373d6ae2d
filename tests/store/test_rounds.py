"""Rounds: opened once, moved by compare and set, counted on entry."""

import pytest

from loop.errors import LoopdError, NotFound
from loop.store.rounds import MOVED
from loop.types import MOVES, RoundState

WAY = ("collect", "check", "train", "gate", "promote", "done")


def test_an_unfinished_round_is_opened_again_and_a_finished_one_is_not(store):
    first = store.rounds.open("config", 7)
    assert store.rounds.open("other", 8) == first
    for state in WAY:
        first = store.rounds.advance(first, RoundState(state))
    second = store.rounds.open("other", 8)
    assert (second.id, second.config, second.seed) == (first.id + 1, "other", 8)
    assert store.rounds.all() == (first, second)


def test_a_seed_may_be_as_long_as_a_digest(store):
    seed = 2**256 - 1
    assert store.rounds.open("config", seed).seed == store.rounds.get(1).seed == seed


def test_a_round_moves_only_as_the_table_of_moves_allows(store):
    rnd = store.rounds.open("config", 0)
    for state in RoundState:
        if state not in MOVES[rnd.state]:
            with pytest.raises(ValueError, match="never moves"):
                store.rounds.advance(rnd, state)
    assert store.rounds.get(rnd.id).state is RoundState.SAMPLE


def test_a_move_is_an_event_and_a_refused_one_is_none(store):
    rnd = store.rounds.open("config", 0)
    store.rounds.advance(rnd, RoundState.COLLECT, "why")
    with pytest.raises(LoopdError, match="no longer in sample"):
        store.rounds.advance(rnd, RoundState.COLLECT)
    (event,) = store.events.read(kind=MOVED)
    assert event.fields == {"round": 1, "from": "sample", "to": "collect", "reason": "why"}


def test_of_two_who_move_a_round_one_is_refused(store):
    rnd = store.rounds.open("config", 0)
    store.rounds.advance(rnd, RoundState.COLLECT)
    with pytest.raises(LoopdError, match="no longer in sample"):
        store.rounds.advance(rnd, RoundState.COLLECT)
    with pytest.raises(LoopdError, match="no longer in sample"):
        store.rounds.enter(rnd)


def test_entries_of_a_stage_are_counted_until_it_is_left(store):
    rnd = store.rounds.open("config", 0)
    rnd = store.rounds.enter(store.rounds.enter(rnd))
    assert store.rounds.get(rnd.id).attempts == 2
    assert store.rounds.advance(rnd, RoundState.COLLECT).attempts == 0


def test_a_failed_round_says_why(store):
    rnd = store.rounds.advance(store.rounds.open("config", 0), RoundState.FAILED, "the disk \0 broke")
    assert store.rounds.get(rnd.id).reason == "the disk \u2400 broke"


def test_an_unknown_round_is_not_found(store):
    with pytest.raises(NotFound):
        store.rounds.get(99)
