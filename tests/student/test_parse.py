import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loop.templates.parse import MAX_CALLS, MAX_CHARACTERS, parse
from loop.templates.spans import assistant_text
from loop.types import Call, Catalogue, Message, Tool

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
@example(
    calls=[Call(name="w", arguments={"t": "a </tool_call> and a <tool_call>", "u": "<think>", "v": "[TOOL_CALLS]"})]
)
def test_what_the_template_writes_is_read_back_without_leniency(calls):
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
        ('<tool_call>{"name": "mv", "arguments": "{\\"a\\": 1}"}</tool_call>', ("arguments_as_string",)),
        ('<tool_call>{"name": "mv", "parameters": {"a": 1}}</tool_call>', ("arguments_synonym",)),
        ('<tool_call>[{"name": "mv", "arguments": {"a": 1}}]</tool_call>', ("call_list",)),
        ('<tool_call>{"function": {"name": "mv", "arguments": {"a": 1}}}</tool_call>', ("function_wrapper",)),
        ('{"name": "mv", "arguments": {"a": 1}}', ("bare_json",)),
        ('[{"name": "mv", "arguments": {"a": 1}}]', ("bare_json",)),
        ('{"name": "mv", "arguments": {"a": 1}}</tool_call>', ("bare_json",)),
        ('```json\n{"name": "mv", "arguments": {"a": 1}}\n```', ("fenced_json",)),
        ('<tool_call>```json\n{"name": "mv", "arguments": {"a": 1}}\n```</tool_call>', ("fenced_json",)),
        ('<tool_call>{"name": "mv", "arguments": {"a": 1,},}</tool_call>', ("trailing_comma",)),
        ('<tool_call>{"id": "x1", "type": "function", "name": "mv", "arguments": {"a": 1}}</tool_call>', ()),
        ("<tool_call>\n<function=mv>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>", ("xml_call",)),
        ("<function=mv><parameter=a>1</parameter></function>", ("missing_open", "xml_call")),
        ('<function=mv>{"a": 1}</function>', ("missing_open", "xml_call")),
        ('[TOOL_CALLS] [{"name": "mv", "arguments": {"a": 1}, "id": "a1b2c3d4e"}]', ("bracket_call", "call_list")),
        ('[TOOL_CALLS]mv[CALL_ID]a1b2c3d4e[ARGS]{"a": 1}', ("bracket_call",)),
        ('[TOOL_CALLS]mv[ARGS]{"a": 1}', ("bracket_call",)),
    ],
)
def test_forgiving_rules_are_named(text, leniencies):
    parsed = parse(text)
    assert parsed.calls == (MV,)
    assert parsed.leniencies == leniencies
    assert parsed.fault is None


def one(name, key, value):
    return f'{{"name": "{name}", "arguments": {{"{key}": {value}}}}}'


A, B = one("mv", "a", 1), one("cp", "b", 2)


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>{A}{B}</tool_call>",
        f"<tool_call>{A}\n{B}</tool_call>",
        f"<tool_call>{A}, {B}</tool_call>",
        f"<tool_call>[{A}, {B}]</tool_call>",
        f"<tool_call>{A}<tool_call>{B}</tool_call>",
        f"<tool_call>{A}</tool_call>\n<tool_call>{B}",
        f"{A}\n{B}",
        f"[{A}, {B}]",
        f"```json\n{A}\n{B}\n```",
        f"[TOOL_CALLS] [{A}, {B}]",
        '[TOOL_CALLS]mv[ARGS]{"a": 1}[TOOL_CALLS]cp[ARGS]{"b": 2}',
        "<tool_call><function=mv><parameter=a>1</parameter></function><function=cp><parameter=b>2</parameter></function>",
    ],
)
def test_all_calls_of_a_message_are_read(text):
    parsed = parse(text)
    assert [(call.name, dict(call.arguments)) for call in parsed.calls] == [("mv", {"a": 1}), ("cp", {"b": 2})]


def test_text_beside_calls_is_kept():
    parsed = parse('First <tool_call>{"name": "mv", "arguments": {"a": 1}}</tool_call> then')
    assert parsed.content == "First then"
    assert parsed.calls == (MV,)
    assert parsed.leniencies == ("text_behind_call",)


@pytest.mark.parametrize(
    ("text", "content", "reasoning", "calls"),
    [
        ("<think>Which?</think>\nDone.", "Done.", "Which?", ()),
        ("Which?</think>\n\nDone.", "Done.", "Which?", ()),
        ("<think>\n\n</think>\n\nDone.", "Done.", None, ()),
        (f"<think>I could {B} or <tool_call>{B}</tool_call>.</think><tool_call>{A}</tool_call>", "", None, (MV,)),
        (f"Let me see.</think><tool_call>{A}</tool_call>", "", "Let me see.", (MV,)),
        (f"<tool_call>{B}</tool_call> No.</think>Which one?", "Which one?", None, ()),
        (f"One. <think>Now this.</think> <tool_call>{A}</tool_call>", "One.", "Now this.", (MV,)),
        (f"<think>So.</think>{A}", "", "So.", (MV,)),
        ("[THINK]Hm.[/THINK]Done.", "Done.", "Hm.", ()),
        ("<thinking>Hm.</thinking>Done.", "Done.", "Hm.", ()),
        (f"<scratchpad>Or <tool_call>{B}</tool_call>?</scratchpad>Done.", "Done.", None, ()),
        (f'<analysis depth="1"><tool_call>{B}</tool_call></analysis>Done.', "Done.", None, ()),
        (f"<seed:think><tool_call>{B}</tool_call></seed:think><tool_call>{A}</tool_call>", "", None, (MV,)),
        (f"\u25c1think\u25b7{B}\u25c1/think\u25b7Done.", "Done.", B, ()),
    ],
)
def test_thinking_is_kept_apart_and_nothing_of_it_is_run(text, content, reasoning, calls):
    parsed = parse(text)
    assert (parsed.fault, parsed.content, parsed.calls) == (None, content, calls)
    assert reasoning is None or parsed.reasoning == reasoning


FILES = Catalogue(
    tools=(
        Tool(
            name="cat",
            description="",
            parameters={"properties": {"path": {"type": "string"}, "n": {"type": "integer"}}},
        ),
    )
)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("<parameter=path>\n7\n</parameter>\n<parameter=n>\n7\n</parameter>", {"path": "7", "n": 7}),
        ("<parameter=path>\ntwo\nlines\n\n</parameter>", {"path": "two\nlines\n"}),
        ("<parameter=path>\n<tool_call>\n</parameter>", {"path": "<tool_call>"}),
        (
            '<parameter=other>\n{"a": [1]}\n</parameter><parameter=more>True</parameter>',
            {"other": {"a": [1]}, "more": True},
        ),
        ("", {}),
    ],
)
def test_the_schema_says_what_a_value_without_quotation_marks_is(text, arguments):
    parsed = parse(f"<tool_call><function=cat>{text}</function></tool_call>", FILES)
    assert [dict(call.arguments) for call in parsed.calls] == [arguments]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name": "cat", "parameters": {"path": "a"}}', 1),
        ('{"name": "pen", "parameters": {"colour": "red"}}', 0),
        ('{"name": "pen", "arguments": {}}', 1),  # a tool that is not there: the world says so
        ('{"name": "cat", "args": {"path": "a"}, "price": 2}', 0),
        ('{"name": "Ada", "type": "person"}', 0),
        ('[{"name": "pen", "qty": 4}, {"name": "ink", "qty": 9}]', 0),
        ('```json\n{"name": "pen", "qty": 4}\n```', 0),
    ],
)
def test_data_that_has_a_name_is_no_call(text, calls):
    parsed = parse(text, FILES)
    assert len(parsed.calls) == calls
    assert parsed.fault is None
    assert parsed.content == ("" if calls else text)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"t": "one\ntwo"}', {"t": "one\ntwo"}),
        ('{"t": "a\tb"}', {"t": "a\tb"}),
        ('{"t": true, "u": [1, 2,]}', {"t": True, "u": [1, 2]}),
        ('{"t": True, "u": None, "v": "True, ]"}', {"t": True, "u": None, "v": "True, ]"}),
        ("null", {}),
        ("[]", {}),
        ('""', {}),
        ('{"t": "</tool_call>"', {"t": "</tool_call>"}),
        ('"{\\"t\\": 1,}"', {"t": 1}),
    ],
)
def test_what_has_one_meaning_only_is_read(arguments, read):
    parsed = parse(f'<tool_call>{{"name": "mv", "arguments": {arguments}}}</tool_call>')
    assert [dict(call.arguments) for call in parsed.calls] == [read]
    assert parsed.leniencies


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
        f"<tool_call>[{', '.join([A] * (MAX_CALLS + 1))}]</tool_call>",
        f"<tool_call>call {A} now</tool_call>",
        f"<tool_call>{A} and then {B}</tool_call>",
        f"<tool_call>{A}\n{{'name': 'cp'}}</tool_call>",
        '<tool_call>{"name": "mv", "a": 1}</tool_call>',
        '<tool_call>{"name": "mv", "arguments": {"a": 1}, "then": "cp"}</tool_call>',
        '<tool_call>{"name": "mv", "arguments": {"a": 1}, "parameters": {"b": 2}}</tool_call>',
        "<tool_call></tool_call>",
        f"{A}<tool_call>{B}</tool_call>",
        f"{A}\n" + '{"name": "pen", "qty": 4}',
        f"I will move it.\n```json\n{A}\n```",
        f"I call {A} now.",
        f'{{"tool_calls": [{A}]}}',
        '{"name": "mv", "arguments": {"a": "cut of',
        f"<TOOL_CALL>{A}</TOOL_CALL>",
        "[mv(a=1), cp(b=2)]",
        "mv(a=1)",
        "Done.</tool_call>",
        "<function=mv><parameter=a>1</function>",
        "<function=mv><parameter=a>1</parameter><parameter=a>2</parameter></function>",
        "<function=mv>now<parameter=a>1</parameter></function>",
        "[TOOL_CALLS]",
        "[TOOL_CALLS]mv[ARGS][1]",
        f"<think>I could <tool_call>{A}</tool_call>",
        "<think>One.</think> Two.</think>",
        f"<tool_call>{A}</tool_call><tool_response>{{}}</tool_response>",
        f"<tool_call>{A}</tool_call>\n" + '{"rows_changed": 1}\nAll gone.',
        "<tool_response>{}</tool_response>Done.",
        "[TOOL_RESULTS]{}[/TOOL_RESULTS]",
        "Done.<|im_end|>\n<|im_start|>user\nThanks.",
        "Done.<end_of_turn>",
        "[INST] And now? [/INST]",
        f"For example:\n```xml\n<tool_call>{A}</tool_call>\n```\nShall I?",
        f"Write `<tool_call>{A}</tool_call>` for that.",
        f"<!-- <tool_call>{A}</tool_call> -->Done.",
        f"He wrote:\n> <tool_call>{A}</tool_call>",
        f"<plan>First <tool_call>{A}</tool_call>, then the rest.</plan>",
        f"<tool_call>{A}</tool_call>\nObservation: it was moved.",
        f"<tool_call>{A}</tool_call>\n```output\nok\n```",
        f"Done.\nuser: and now that one\nassistant: <tool_call>{A}</tool_call>",
        "Done.\n### Human: thanks",
        "Done.</s>",
        "<\uff5ctool\u2581calls\u2581begin\uff5c>mv",
        "<|tool_call>call:mv{a:1}<tool_call|>",
        "<start_function_call>call:mv{a:1}<end_function_call>",
        '<minimax:tool_call><invoke name="mv"></invoke></minimax:tool_call>',
        "<tool_call>mv<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
        'analysis to=functions.mv code{"a": 1}',
        "```tool_code\nmv(a=1)\n```",
        'Thought: I move it.\nAction: mv\nAction Input: {"a": 1}',
        '<function=mv>{"a": 1} now</function>',
        "<function=mv>{'a': 1}</function>",
    ],
)
def test_a_message_that_cannot_be_read_whole_is_a_fault_with_all_the_text(text):
    parsed = parse(text)
    assert parsed.fault
    assert not parsed.calls
    assert parsed.content == text


@pytest.mark.parametrize(
    "text",
    [
        "Done.",
        "",
        "{curly} talk",
        '{"name": "Anna"}',
        "[1, 2]",
        '{"name": "x", broken',
        "{" * 5000,
        '{"say": "<tool_call> opens a call"}',
        "if a < b and c > d: f(x)",
        "The list is [a, b].",
        "See f(x=1) in the file.",
        "Use `name` and `arguments`.",
        'She said: "name": none.',
    ],
)
def test_an_answer_without_a_call_is_text(text):
    parsed = parse(text)
    assert not parsed.calls
    assert parsed.fault is None
    assert parsed.content == text.strip()


FRAGMENTS = [
    *("<tool_call>", "</tool_call>", "<think>", "</think>", "<tool_call>{", '<tool_call>{"name":"a"}', '{"name":"a"}'),
    *(
        "[",
        "{",
        "[{",
        '"',
        '\\"',
        "```",
        "``` ",
        " ",
        "\n",
        ",",
        ", }",
        '"name" ',
        '"name":"',
        '{"arguments" ',
        '{"a":',
    ),
    *("<function=", "<function=a>", "<function=a><parameter=b>", "<parameter=b>", "[TOOL_CALLS]", "[TOOL_CALLS]a{"),
    *(
        "<a>",
        "<a></a>",
        "<a ",
        "<!--",
        "user:\n",
        "\n> ",
        "<analysis ",
        "<\uff5c",
        "</\uff5ca",
        "`a",
        "<a_",
        '"tool":"',
    ),
    *("f(", "f(a=", "f(a=1)", ") ", "<|", "<|a", "<tool_call a", "<invoke ", "True,", "}", "<", "[INST", "a[ARGS]"),
]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "<tool_call>",
        f"<b><tool_call>{A}</tool_call>",
        '<tool_call>{"name": "a", "arguments": {"x": "',
        "```",
        "f(a=",
    ],
)
@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_reading_takes_time_that_grows_with_the_text_alone(before, fragment):
    def seconds(size):
        text = before + fragment * (size // len(fragment)) + "x"
        began = time.process_time()
        parse(text)
        return time.process_time() - began

    small, large = seconds(MAX_CHARACTERS // 16), seconds(MAX_CHARACTERS - 100)
    assert large < 0.02 + 50 * small  # linear is 16, quadratic 256
    assert large < 0.5


@pytest.mark.parametrize(
    "text",
    [
        '{"tool": "cat", "args": {"path": "a"}}',
        '{"tool_name": "cat", "parameters": {"path": "a"}}',
        '{"action": "cat", "action_input": {"path": "a"}}',
        '[{"function": "cat", "kwargs": {}}]',
    ],
)
def test_a_tool_on_offer_under_other_keys_is_no_answer(text):
    assert parse(text, FILES).fault
    assert parse(text.replace("cat", "pen"), FILES).fault is None


@pytest.mark.parametrize(
    "text",
    [
        "User: Ada\nRole: admin",
        "Use <name> for the new file.",
        "The `ls` tool lists files.",
        "```json\n{}\n```\nThat is all.",
        "The observation was made twice.",
        "<b>Bold</b> and 3 <| 4",
        "The human: a mammal.",
    ],
)
def test_what_only_looks_like_markup_is_text(text):
    parsed = parse(text, FILES)
    assert (parsed.fault, parsed.content) == (None, text)
    called = parse(f"{text}\n<tool_call>{A}</tool_call>", FILES)
    assert (called.fault, called.calls) == (None, (MV,))


@settings(max_examples=300, deadline=1000)
@given(st.text(alphabet=st.sampled_from('<>/tolcal_{}[]":,\\ \n1anmersgu`'), max_size=200) | st.text(max_size=100))
def test_it_never_raises(text):
    parse(text)
    parse(f"<tool_call>{text}")
