"""What is told while it is said: never a word that has to be taken back, whatever the message turns out to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.student.streaming import StreamedText, stopped, unstopped
from loop.templates.parse import parse
from loop.types import Catalogue, Tool

CATALOGUE = Catalogue(tools=(Tool(name="mv", description="", parameters={}),))
CALL = '<tool_call>\n{"name": "mv", "arguments": {"a": "<b>"}}\n</tool_call>'
PIECES = st.sampled_from(
    ["Hello", " ", "\n", "world.", "a < b", "[1]", "<", "[", "x" * 30, "{", "}", "```", CALL, "<think>", "</think>",
     "é", "<tool_call>", '{"name": "mv", "arguments": {}}', "[TOOL_CALLS]", "mv(a=1)", "\ufeff"]
)  # fmt: skip


def told(text, telling, step=3):
    return [telling.more(text[:end]) for end in (*range(0, len(text), step), len(text))]


@given(st.lists(PIECES, max_size=12), st.integers(1, 9))
def test_what_was_told_stays_and_the_whole_is_the_message(pieces, step):
    text = "".join(pieces)
    telling, parsed = StreamedText(text_alone=False), parse(text, CATALOGUE)
    said = "".join(told(text, telling, step))
    whole = said + telling.rest(parsed.content, text)
    if parsed.fault is None and parsed.content.startswith(said):
        assert whole == parsed.content
    else:
        assert text.endswith(whole) or whole.strip() in text


@given(st.lists(PIECES, max_size=12))
def test_text_alone_is_told_as_it_is(pieces):
    text = "".join(pieces)
    telling = StreamedText(text_alone=True)
    assert "".join(told(text, telling, 1)) + telling.rest(text, text) == text


def test_nothing_of_a_call_is_told_and_what_stands_before_it_is():
    telling = StreamedText(text_alone=False)
    assert "".join(told(f"I look.\n{CALL}", telling)) == "I look."
    telling = StreamedText(text_alone=False)
    assert "".join(told('{"name": "mv", "arguments": {}}', telling)) == ""
    telling = StreamedText(text_alone=False, data=True)
    assert "".join(told('{"answer": 1}', telling)) == '{"answer": 1}'


def test_a_bracket_that_begins_no_mark_holds_nothing_back_for_long():
    text = "if a < b and b < c then a < c, as everybody has always known"
    telling = StreamedText(text_alone=False)
    assert "".join(told(text, telling)) == text


def test_thinking_that_the_prompt_began_is_not_told_as_text():
    telling = StreamedText(text_alone=False, thinking=True)
    text = "I wonder.</think>Yes."
    assert "".join(told(text, telling)) == ""
    assert telling.rest(parse(text).content, text) == "Yes."


@pytest.mark.parametrize(("text", "cut"), [("one two", "one "), ("tw", None), ("a b two", "a b ")])
def test_the_first_stop_ends_the_text(text, cut):
    assert stopped(text, ["two", "zzz"]) == cut


def test_what_may_become_a_stop_is_not_told_yet():
    assert unstopped("one tw", ["two", "x"]) == "one "
    assert unstopped("one", ["two"]) == "one"
    assert unstopped("one two", []) == "one two"
