import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.student.parse import MAX_CALLS, MAX_CHARACTERS, parse
from loop.student.spans import assistant_text
from loop.types import Call, Message

MV = Call(name="mv", arguments={"a": 1})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    calls=st.lists(
        st.builds(Call, name=st.text(max_size=8), arguments=st.dictionaries(st.text(), json_values, max_size=3)),
        max_size=4,
    )
)
def test_what_the_template_writes_is_read_back_without_leniency(calls):
    if any(
        tag in json.dumps(call.model_dump(), ensure_ascii=False)
        for call in calls
        for tag in ("<tool_call>", "</tool_call>")
    ):
        return
    parsed = parse(assistant_text(Message(role="assistant", content="", calls=tuple(calls))))
    assert parsed.calls == tuple(calls)
    assert not parsed.leniencies
    assert parsed.fault is None


@pytest.mark.parametrize(
    ("text", "leniencies"),
    [
        ('<tool_call>{"name": "mv", "arguments": {"a": 1}}</tool_call>', ()),
        ('<tool_call>\n{"name": "mv", "arguments": {"a": 1}}\n</tool_call>', ()),
        ('<tool_call>{"name": "mv", "arguments": {"a": 1}}', ("missing_close",)),
        ('<tool_call>{"name": "mv", "arguments": {"a": 1}', ("missing_brace", "missing_close")),
        ('<tool_call>{"name": "mv", "arguments": {"a": 1}</tool_call>', ("missing_brace",)),
        ('<tool_call>{"name": "mv", "arguments": {"a": 1}}}</tool_call>', ("brace_match",)),
        ('<tool_call>call {"name": "mv", "arguments": {"a": 1}} now</tool_call>', ("brace_match",)),
        ('<tool_call>{"name": "mv", "arguments": "{\\"a\\": 1}"}</tool_call>', ("arguments_as_string",)),
        ('<tool_call>{"name": "mv", "parameters": {"a": 1}}</tool_call>', ("arguments_synonym",)),
        ('<tool_call>[{"name": "mv", "arguments": {"a": 1}}]</tool_call>', ("call_list",)),
        ('<tool_call>{"function": {"name": "mv", "arguments": {"a": 1}}}</tool_call>', ("function_wrapper",)),
        ('{"name": "mv", "arguments": {"a": 1}}', ("bare_json",)),
        ('[{"name": "mv", "arguments": {"a": 1}}]', ("bare_json",)),
        ('{"name": "mv", "arguments": {"a": 1}}</tool_call>', ("bare_json",)),
        ('```json\n{"name": "mv", "arguments": {"a": 1}}\n```', ("fenced_json",)),
    ],
)
def test_forgiving_rules_are_named(text, leniencies):
    parsed = parse(text)
    assert parsed.calls == (MV,)
    assert parsed.leniencies == leniencies
    assert parsed.fault is None


def test_text_beside_calls_is_kept():
    parsed = parse('First <tool_call>{"name": "mv", "arguments": {"a": 1}}</tool_call> then')
    assert parsed.content == "First then"
    assert parsed.calls == (MV,)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>mv a b</tool_call>",
        '<tool_call>{"name": 3}</tool_call>',
        '<tool_call>{"name": "mv", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "mv", "arguments": {"a": __import__("os")}}</tool_call>',
        "<tool_call>{'name': 'mv'}</tool_call>",
        '<tool_call>{"name": "mv", "arguments": {"a": NaN}}</tool_call>',
        '<tool_call>{"name": "mv", "arguments": {"a": 1, "a": 2}}</tool_call>',
        '<tool_call>{"name": "mv", "arguments": ' + '{"a": ' * 70 + "1" + "}" * 71 + "</tool_call>",
        '<tool_call>{"name": "mv", "arguments": {"a": "cut of',
        "<tool_call>",
        "x" * (MAX_CHARACTERS + 1),
        '<tool_call>{"name": "mv"}</tool_call>' * (MAX_CALLS + 1),
    ],
)
def test_a_call_that_cannot_be_read_is_a_fault_with_all_the_text(text):
    parsed = parse(text)
    assert parsed.fault
    assert not parsed.calls
    assert parsed.content == text


@pytest.mark.parametrize(
    "text", ["Done.", "", "{curly} talk", '{"name": "Anna"}', "[1, 2]", '{"name": "x", broken', "{" * 5000]
)
def test_an_answer_without_a_call_is_text(text):
    parsed = parse(text)
    assert not parsed.calls
    assert parsed.fault is None
    assert parsed.content == text.strip()


@settings(max_examples=300, deadline=1000)
@given(st.text(alphabet=st.sampled_from('<>/tolcal_{}[]":,\\ \n1anmersgu`'), max_size=200) | st.text(max_size=100))
def test_it_never_raises(text):
    parse(text)
    parse(f"<tool_call>{text}")
