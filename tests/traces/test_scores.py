"""The benchmark's scores: services first, the constant beside, without what stands in training, a judge if asked."""

import json

import pytest

from benchmarks.trace_scores import (
    CONSTANT,
    REPLY,
    Pair,
    Said,
    difference,
    equivalent,
    judged,
    seen_before,
    staged,
    table,
)
from loop.types import Call, Catalogue, Message, Tool
from teachers.deepseek import DeepSeek
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import saying

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "guests": {"type": "string", "default": "2"}},
}
TOOLS = Catalogue(tools=(Tool(name="book", description="Book", parameters=PARAMETERS),))


def call(**arguments):
    return Said("book", json.dumps(arguments, sort_keys=True))


def reply(text):
    return Said(REPLY, json.dumps({"message": text}))


@pytest.mark.parametrize(
    ("given", "score"),
    [(None, 0), (reply("x"), 0.25), (call(town="Oslo"), 0.5), (call(city="Lund"), 0.75), (call(city="Oslo"), 1)],
)
def test_staged_scores_climb_with_what_is_right(given, score):
    assert staged(call(city="Oslo"), given) == score


def test_defaults_are_filled_in_for_equivalence():
    assert equivalent(call(city="Oslo"), call(city=" oslo ", guests="2"), TOOLS)
    assert not equivalent(call(city="Oslo"), call(city="Oslo", guests="3"), TOOLS)
    assert not equivalent(call(city="Oslo"), reply("Oslo"), TOOLS)


PAIRS = [
    Pair(0, call(city="Oslo"), call(city="Oslo"), seen=False),
    Pair(0, call(city="Lund"), reply("Lund?"), seen=True),
    Pair(1, reply("Fine."), CONSTANT, seen=False),
    Pair(1, reply("Fine."), reply("Fine."), seen=False),
]


def test_services_come_first_and_the_constant_stands_beside():
    whole, exact, scores, fresh, *rest = table("a run", PAIRS, TOOLS)
    assert whole == "a run (4 pairs)"
    assert exact == "  exact services 0.500 (1 of 2); recall book 1/2, respond_to_user 2/2"
    assert scores == (
        "  equivalence 0.500 (2 of 4), binary 0.500 (2 of 4), judge not asked, staged 0.750 (a constant: 0.500)"
    )
    assert fresh == "a run, without what stands in training (3 pairs)"
    assert rest[0].startswith("  exact services 1.000 (1 of 1)")


def test_what_stands_in_training_is_told_by_the_last_user_message():
    known = frozenset(["Thanks"])
    assert seen_before([{"role": "user", "content": "Hi"}, {"role": "user", "content": "Thanks"}], known)
    assert not seen_before([{"role": "user", "content": "Thanks"}, {"role": "user", "content": "Hi"}], known)
    assert not seen_before([], known)


def test_the_difference_is_paired_by_conversation():
    worse = [pair._replace(given=CONSTANT) for pair in PAIRS]
    assert difference(PAIRS, worse).startswith("difference in exact services: +0.500, 95 % interval +0.500 to +0.500")
    assert "+0.000" in difference(PAIRS, PAIRS)


def test_a_judge_holds_answers_against_the_reference_and_is_not_asked_where_they_are_the_same(monkeypatch):
    monkeypatch.delenv("DS_KEY_FILE", raising=False)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-fake-0123456789abcdef")
    given = {"reason": "It asks the same.", "good": True, "score": None}
    verdict = Message(role="assistant", content="", calls=(Call(name="judgement", arguments=given),))
    with FakeDeepSeek(key="sk-fake-0123456789abcdef") as api:
        api.mind = saying(verdict)
        teacher = DeepSeek(base_url=api.url, step_s=20.0)
        before = [[{"role": "user", "content": f"message {number}"}] for number in range(len(PAIRS))]
        opinions = list(judged(PAIRS, before, teacher, "Same call.", TOOLS))
        assert [pair.good for pair in opinions] == [True, True, True, True]
        assert len(api.seen) == 2
        assert "Lund?" in json.dumps(api.seen[0].body)
        api.key = "another"
        assert [pair.good for pair in judged(PAIRS[1:2], before[1:2], teacher, "Same call.", TOOLS)] == [None]
