"""Each filter finds its fault, names the message, and lets alone what only looks like it."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.plugins import known
from loop.store import Store
from loop.traces.conversation import MISSING
from loop.traces.filtering import WHOLE, faulty
from loop.traces.importing import ImportRules, take
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.reading import read
from loop.traces.sifting import PACKAGE, filters, judge, required, sift
from loop.types import Call, Catalogue, End, Message, Tool, Trajectory

TOOLS = Catalogue(
    tools=(
        Tool(
            name="find_table",
            description="Find a restaurant",
            parameters={
                "type": "object",
                "properties": {"city": {"type": "string"}, "kind": {"type": "string"}},
                "required": ["city"],
            },
        ),
    )
)


def user(content):
    return Message(role="user", content=content)


def says(content, **calls):
    made = tuple(Call(name=name, arguments=arguments) for name, arguments in calls.items())
    return Message(role="assistant", content=content, calls=made)


def answer(value, name="find_table", **more):
    return Message(role="tool", name=name, content=json.dumps(value), **more)


def play(*messages, tools=TOOLS):
    return Trajectory(task="t", player="trace", end=End.CLOSED, messages=messages, catalogue=tools)


GOOD = (
    user("A Thai place in Oakland, please."),
    says("", find_table={"city": "Oakland", "kind": "Thai"}),
    answer([{"name": "Baan Thai House", "city": "Oakland", "kind": "Thai", "phone": "510-555-0199"}]),
    says("How about Baan Thai House? Call 510-555-0199."),
    user("Thanks."),
    says("Have a good day."),
)


def found(*messages, tools=TOOLS, named=None):
    """The faults of a conversation: filter, message, kind."""
    (verdicts,) = judge([("t", play(*messages, tools=tools))], filters(named))
    return [
        (verdict.checker.removeprefix("trace-"), fault["message"], fault["kind"])
        for verdict in verdicts
        for fault in verdict.evidence["faults"]
    ]


def test_nothing_is_wrong_with_a_good_conversation():
    assert found(*GOOD) == []


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ((*GOOD[:1], says("", find_tables={"city": "Oakland"}), *GOOD[2:]), ("schema", 1, "name")),
        ((*GOOD[:1], says("", find_table={"town": "Oakland"}), *GOOD[2:]), ("schema", 1, "arguments")),
        ((*GOOD[:1], says("Well").model_copy(update={"fault": "cut"}), *GOOD[3:]), ("schema", 1, "unread")),
        (
            (*GOOD[:2], Message(role="tool", name="find_table", content="", fault=MISSING), *GOOD[4:]),
            ("order", 1, "no result"),
        ),
        ((GOOD[0], says("Hm."), Message(role="tool", content="[]"), *GOOD[4:]), ("order", 1, "no call")),
        ((GOOD[0], says("Where?"), says("When?"), *GOOD[4:]), ("order", 2, "twice")),
        ((*GOOD[:5], says("")), ("order", 5, "empty")),
        ((*GOOD[:2], answer([{"city": "San Jose", "kind": "French"}]), *GOOD[4:]), ("results", 1, "other result")),
        (
            (*GOOD[:1], says("", find_table={"city": "Berkeley", "kind": "Peruvian"}), answer([]), *GOOD[4:]),
            ("origins", 1, "nowhere"),
        ),
        ((*GOOD[:3], GOOD[1], GOOD[2], *GOOD[3:]), ("repeats", 3, "call")),
        ((*GOOD[:5], GOOD[3]), ("repeats", 5, "words")),
        ((*GOOD[:3],), ("stop", 2, "breaks off")),
        ((*GOOD[:3], says("Try Best Western Plus."), *GOOD[4:]), ("told", 3, "made up")),
        ((*GOOD[:3], says("Call +33 1 45 38 52 59."), *GOOD[4:]), ("told", 3, "made up")),
        (
            (
                *GOOD[:3],
                says("Ich habe leider nur ein einziges Restaurant in dieser Gegend gefunden, möchten Sie es?"),
                user("Yes, and tell me please how late they are open and whether they have music in the evening."),
                GOOD[5],
            ),
            ("language", 3, "language"),
        ),
    ],
)
def test_each_fault_is_found_where_it_stands(messages, fault):
    assert fault in found(*messages)


@pytest.mark.parametrize(
    "messages",
    [
        (
            *GOOD[:3],
            says("They are called Baan Thai House; shall I book for 2 at 7:30 pm, or rather Mexican?"),
            *GOOD[4:],
        ),
        (
            user("Something in Francisco"),
            says("", find_table={"city": "San Francisco"}),
            answer([]),
            says("None."),
        ),
        (*GOOD[:2], answer({"error": "busy"}, ok=False), GOOD[1], GOOD[2], *GOOD[3:]),
        (*GOOD[:2], answer([{"city": "Oakland", "kind": "Asian"}, {"city": "Oakland", "kind": "Thai"}]), *GOOD[3:]),
    ],
)
def test_what_only_looks_like_a_fault_is_let_alone(messages):
    assert [each for each in found(*messages) if each[0] not in ("origins", "told") or each[1] == 1] == []


def test_a_shuffled_conversation_is_refused_as_a_whole():
    shuffled = (GOOD[3], GOOD[4], GOOD[0], GOOD[5], says("So."), user("And?"))
    assert ("order", WHOLE, "shuffled") in found(*shuffled)


def test_a_conversation_for_other_tools_is_refused_as_a_whole():
    rooms = [
        each
        for n in range(3)
        for each in (user("A room"), says("", book_room={"n": n}), answer([], "book_room"), says("Ok."))
    ]
    assert ("schema", WHOLE, "foreign") in found(*rooms)


def test_calls_are_held_to_todays_tools_where_these_are_given():
    other = Catalogue(tools=(TOOLS.tools[0].model_copy(update={"name": "find_tables"}),))
    (fault,) = [each for each in found(*GOOD, named=other) if each[0] == "schema"]
    assert fault == ("schema", 1, "name")
    (verdicts,) = judge([("t", play(*GOOD))], filters(other))
    assert any("find_tables was" in verdict.reason for verdict in verdicts)


def test_of_two_that_say_the_same_the_first_is_kept():
    long = "one two three four five six seven eight nine ten " * 9
    same = [(f"t{n}", play(*GOOD, user(f"{long}{n}"), says("Ok."))) for n in range(2)]
    other = ("t2", play(user("x " * 30), says("Something else entirely, word for word.")))
    judged = judge([*same, other], filters())
    single = [verdict.passed for given in judged for verdict in given if verdict.checker == "trace-duplicates"]
    assert single == [True, False, True]


def test_words_of_another_domain_are_found_where_many_conversations_are_faulty():
    rng = random.Random(1)
    rooms = [
        "Your room at the hotel is booked.",
        "Which hotel do you want to stay at?",
        "Check in is tomorrow for 2 days.",
        "It is a 3 star hotel with wifi.",
    ]
    tables = [
        "Where would you like to eat?",
        "The table is reserved.",
        "It is a nice restaurant.",
        "They serve alcohol there.",
    ]
    seen = []
    for number in range(120):
        broken = number % 3
        said = [rng.choice(rooms if broken and rng.random() < 0.4 else tables) for _ in range(4)]
        talk = [
            part
            for words in said
            for part in (
                user(rng.choice(["A restaurant to eat at", "Reserve a table", "Do they serve alcohol?"])),
                says(words),
            )
        ]
        lost = (says("", find_table={"town": "x"}), answer([])) if broken else ()
        seen.append((f"t{number:03}", play(*talk, user("So?"), *lost, says("Ok."))))
    wrong = right = missed = 0
    for (_, trajectory), verdicts in zip(seen, judge(seen, filters()), strict=True):
        flagged = faulty(verdict for verdict in verdicts if verdict.checker == "trace-words")
        for place, message in enumerate(trajectory.messages):
            right += message.content in rooms and place in flagged
            missed += message.content in rooms and place not in flagged
            wrong += message.content in tables and place in flagged
    assert right > 4 * missed
    assert wrong < right / 5


def test_every_filter_is_there_and_none_raises_whatever_a_message_holds():
    names = {each.name for each in filters()}
    assert names == {f"trace-{name}" for name in known(PACKAGE)}


messages_ = st.lists(
    st.one_of(
        st.builds(user, st.text(max_size=40)),
        st.builds(
            lambda text, name, value: says(text, **{name: {"a": value}}),
            st.text(max_size=40),
            st.sampled_from(["find_table", "x"]),
            st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text(max_size=5), max_size=3)),
        ),
        st.builds(lambda text: Message(role="tool", content=text), st.text(max_size=40)),
        st.sampled_from([answer([]), answer([[]]), answer({"a": {}}), says("")]),
        st.just(Message(role="tool", name="x", content="[{", ok=False)),
    ),
    max_size=8,
)


@given(messages_)
def test_filters_judge_anything(messages):
    (verdicts,) = judge([("t", play(*messages))], filters())
    assert len(verdicts) == len(filters())
    assert not any("the filter raised" in verdict.reason for verdict in verdicts)


def test_a_sift_judges_once_and_says_why_in_sql(tmp_path, write):
    good = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    lost = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
    bad = {
        "messages": [
            {"role": "user", "content": "So"},
            lost,
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": "Oh"},
        ]
    }
    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as store:
        take(store, read([write(good, bad)]), ImportRules(), Pseudonyms(b"k" * 32))
        first = sift(store, filters())
        assert (first.judged, first.accepted) == (2, 1)
        assert first.refused["trace-order"] == 1
        assert sift(store, filters()).judged == 0
        (refused,) = store.traces.all(accepted=False)
        reasons = {verdict.checker: verdict.reason for verdict in store.trajectories.get(refused.id).verdicts}
        assert reasons["trace-order"] == "turn 1, message 1: f was called, and its result is not there"
        assert set(reasons) == {name for name, _ in required(filters())}
