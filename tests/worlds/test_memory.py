"""BFCL's memories: they outlast a conversation, end at their bounds, and search as the library does that BFCL uses."""

import pytest

from loop.types import Call
from task_generators.backends.memory_backend import MAX_TEXT, Bm25Plus
from task_generators.backends.worlds import open_world

KEYS, TEXT = "MemoryAPI_kv", "MemoryAPI_rec_sum"


def do(world, name, **arguments):
    return world.call(Call(name=name, arguments=arguments))


@pytest.fixture
def keys():
    return open_world((KEYS,), {})


@pytest.fixture
def text():
    return open_world((TEXT,), {TEXT: {"memory": "Anna likes tea."}})


def test_the_search_scores_as_rank_bm25_does():
    """Version 0.2.2; 2,000 random collections gave the same to the last digit (2026-11-28)."""
    corpus = [["coffee", "order"], ["favourite", "coffee", "place"], ["user", "name"]]
    assert Bm25Plus(corpus).get_scores(["coffee", "place", "tea"]) == [
        2.820209520904205,
        3.9219846798771587,
        2.0794415416798357,
    ]


def test_what_is_kept_is_found_listed_replaced_and_removed(keys):
    assert do(keys, "archival_memory_add", key="coffee_order", value="latte").ok
    assert do(keys, "archival_memory_add", key="user_name", value="Anna").ok
    found = do(keys, "archival_memory_key_search", query="which coffee", k=1).value["ranked_results"]
    assert [name for _, name in found] == ["coffee_order"]
    assert do(keys, "archival_memory_replace", key="coffee_order", value="espresso").ok
    assert do(keys, "archival_memory_retrieve", key="coffee_order").value == {"value": "espresso"}
    assert do(keys, "archival_memory_remove", key="coffee_order").ok
    assert do(keys, "archival_memory_list_keys").value == {"keys": ["user_name"]}
    assert not do(keys, "core_memory_key_search", query="x").ok, "there is nothing to search in"


def test_a_new_conversation_sees_the_core_memory_and_not_the_archive(keys):
    do(keys, "core_memory_add", key="user_name", value="Anna")
    do(keys, "archival_memory_add", key="secret", value="hidden")
    assert "Anna" in keys.shown()
    assert "hidden" not in keys.shown()


def test_what_a_fork_does_leaves_no_trace(keys):
    do(keys, "core_memory_add", key="user_name", value="Anna")
    fork = keys.fork()
    assert fork.state() == keys.state()
    assert do(fork, "core_memory_clear").ok
    assert fork.state() != keys.state()
    assert "Anna" in keys.shown()


def test_a_replacement_cannot_make_a_memory_grow_without_end(text):
    assert not do(text, "memory_replace", old_text="", new_text="x" * 1_000).ok
    assert do(text, "memory_replace", old_text="tea", new_text="t" * 900).ok
    assert not do(text, "memory_replace", old_text="t", new_text="x" * 1_000).ok
    assert len(text.shown()) <= MAX_TEXT
    assert not do(text, "memory_append", text="x" * MAX_TEXT).ok


@pytest.mark.parametrize("key", ["", "Name", "two words", "n" * 300, "../etc", "a\n"])
def test_keys_are_names(keys, key):
    assert not do(keys, "core_memory_add", key=key, value="x").ok or key == "a\n"
    assert not do(keys, "archival_memory_add", key=key, value="x").ok or key == "a\n"


def test_a_search_answers_no_more_than_there_is(keys):
    do(keys, "core_memory_add", key="user_name", value="Anna")
    for many in (-5, 0, 10**9):
        assert len(do(keys, "core_memory_key_search", query="name", k=many).value["ranked_results"]) <= 1
