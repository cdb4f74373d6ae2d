"""Every format is read from a file of its own writer, and no reader is hurt by what a row may hold.

Written by their real writers in November 2026: openinference (openinference-instrumentation-openai 0.1.66),
otel_attributes (opentelemetry-util-genai 1.3b0), otel_events (opentelemetry-instrumentation-openai-v2 2.3b0), atif
(atif 1.8.0), langfuse (langfuse 5.0.4's own record of an observation), claude_code (Claude Code 2.1.332) and codex
(Codex 0.163.0), the last two shortened. The others follow their published data sets or specifications.
"""

import copy
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.canonical import MAX_BYTES, canonical
from loop.plugins import known
from loop.traces.conversation import MISSING
from loop.traces.reading import PACKAGE, read, readers
from loop.traces.sources import rows_of
from loop.traces.trace import LocatedTrace, RowLocation, SourceRow, UnreadableRow
from loop.types import Part

FILES = Path(__file__).parent / "files"


def traces(found):
    """The traces among what was found; nothing may have been refused."""
    listed = list(found)
    assert [each for each in listed if not isinstance(each, LocatedTrace)] == []
    return [each.trace for each in listed]


WEATHER = [
    ("system", "Be brief.", []),
    ("user", "Weather in Oslo and the time there?", []),
    ("assistant", "", [("weather", {"city": "Oslo"}), ("clock", {"zone": "Europe/Oslo"})]),
    ("tool", '{"c": 3}', []),
    ("tool", '{"t": "09:20"}', []),
    ("assistant", "3 degrees, 09:20.", []),
    ("user", "And the weather in Bergen?", []),
    ("assistant", "", [("weather", {"city": "Bergen"})]),
    ("tool", '{"c": 5}', []),
    ("assistant", "Bergen has 5 degrees.", []),
]
LIBRARY = [("find_book", {"title": "Emma"}), ("opening_hours", {"day": "Friday"})]
FORMATS = {
    "atif.json": "atif",
    "claude_code.jsonl": "claude_code",
    "codex.jsonl": "codex",
    "folded.jsonl": "openai_messages",
    "hermes.jsonl": "hermes",
    "langfuse.jsonl": "langfuse",
    "openai_messages.jsonl": "openai_messages",
    "openinference.console.jsonl": "openinference",
    "openinference.otlp.json": "openinference",
    "otel_attributes.otlp.json": "otel",
    "otel_events.otlp.jsonl": "otel",
    "sgd.json": "sgd",
    "sharegpt.jsonl": "sharegpt",
    "sts.jsonl": "sts",
    "toolace.json": "toolace",
    "xlam.json": "xlam",
}

ROWS = {name: [row for row in rows_of(str(FILES / name)) if isinstance(row, SourceRow)] for name in FORMATS}


def said(trace):
    return [
        (message.role, message.content, [(call.name, dict(call.arguments)) for call in message.calls])
        for message in trace.messages
    ]


def test_every_reader_has_a_file_and_every_file_a_reader(files):
    assert sorted(path.name for path in files.iterdir()) == sorted(FORMATS)
    assert set(FORMATS.values()) == set(known(PACKAGE))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_claimed_by_one_reader(files, name):
    rows = [row for row in rows_of(str(files / name)) if isinstance(row, SourceRow)]
    claims = [{reader.name for reader in readers() if reader.claims(row.value)} for row in rows]
    first = next(each for each in claims if each)
    assert first == {FORMATS[name]}
    assert all(each <= first for each in claims)


@pytest.mark.parametrize(
    "name",
    [
        "atif.json", "langfuse.jsonl", "openai_messages.jsonl", "openinference.console.jsonl", "sts.jsonl",
        "openinference.otlp.json", "otel_attributes.otlp.json", "otel_events.otlp.jsonl",
    ],
)  # fmt: skip
def test_one_conversation_reads_alike_in_every_format(files, name):
    (trace,) = traces(read([str(files / name)]))
    assert said(trace) == WEATHER
    assert [message.name for message in trace.messages if message.role == "tool"] == ["weather", "clock", "weather"]


@pytest.mark.parametrize(
    "name", ["atif.json", "langfuse.jsonl", "openai_messages.jsonl", "openinference.otlp.json", "sts.jsonl"]
)
def test_schemas_stay_as_they_were(files, name):
    (trace,) = traces(read([str(files / name)]))
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert [(tool.name, tool.description) for tool in trace.catalogue.tools] == [
        ("weather", "Weather of a city"), ("clock", "Time in a zone"),
    ]  # fmt: skip
    assert trace.catalogue.tools[0].parameters == city


def test_who_talked_when_and_to_which_model_is_kept(files):
    (trace,) = traces(read([str(files / "langfuse.jsonl")]))
    assert (trace.conversation, trace.user, trace.model) == ("s1", "u1", "tiny-1")
    assert trace.happened == 1_795_860_002_000_000


@pytest.mark.parametrize("name", ["hermes.jsonl", "sharegpt.jsonl", "toolace.json", "xlam.json"])
def test_two_calls_of_one_message_are_read(files, name):
    trace = traces(read([str(files / name)]))[0]
    calls = next(message.calls for message in trace.messages if message.calls)
    names = [("Library.find book" if name == "toolace.json" else "find_book", LIBRARY[0][1]), LIBRARY[1]]
    assert [(call.name, dict(call.arguments)) for call in calls] == names
    assert [tool.name for tool in trace.catalogue.tools] == [each for each, _ in names]


def test_results_in_a_list_go_to_their_calls(files):
    trace = traces(read([str(files / "sharegpt.jsonl")]))[0]
    assert [message.content for message in trace.messages if message.role == "tool"] == [
        '{"shelf":"B4"}',
        '{"until":"18:00"}',
    ]


def test_flat_schemas_with_pythons_words_become_json_schema(files):
    first, _ = traces(read([str(files / "xlam.json")]))
    assert first.catalogue.find("find_book").parameters == {
        "type": "object",
        "properties": {"title": {"type": "string", "description": "the title"}},
        "required": ["title"],
    }
    assert first.catalogue.find("opening_hours").parameters == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "description": "a weekday", "default": "today"},
            "branches": {"type": "array", "items": {"type": "integer"}, "description": "which"},
        },
    } | ({"required": []} if "required" in first.catalogue.find("opening_hours").parameters else {})


def test_transcripts_of_coding_agents_are_read(files):
    for name, tool, arguments in (
        ("claude_code.jsonl", "Bash", {"command": "echo hello", "description": "Print"}),
        ("codex.jsonl", "exec_command", {"cmd": "echo hello"}),
    ):
        (trace,) = traces(read([str(files / name)]))
        spoken = [each for each in said(trace) if each[0] != "system"]
        assert spoken[0] == ("user", "run echo hello and tell me what it prints", [])
        assert [calls for _, _, calls in spoken if calls] == [[(tool, arguments)]]
        assert "hello" in spoken[2][1]
        assert spoken[-1] == ("assistant", "It prints hello.", [])


def test_a_dialogue_holds_its_service_calls_and_their_results(files):
    (trace,) = traces(read([str(files / "sgd.json")]))
    assert said(trace)[1:4] == [
        ("assistant", "", [("FindBook", {"title": "Emma"})]),
        ("tool", '[{"shelf":"B4","title":"Emma"}]', []),
        ("assistant", "It stands at B4.", []),
    ]


def test_a_folded_conversation_is_laid_out(files):
    (trace,) = traces(read([str(files / "folded.jsonl")]))
    assert said(trace) == [
        ("user", "Is Emma in?", []),
        ("assistant", "The novel?", []),
        ("user", "Yes, the novel.", []),
        ("assistant", "", [("find_book", {"title": "Emma"})]),
        ("tool", '[{"title": "Emma", "shelf": "B4"}]', []),
        ("assistant", "It stands at B4.", []),
    ]


def test_a_folded_conversation_stays_folded_where_that_is_asked(files):
    form = Part(use="openai_messages", settings={"unfold": False})
    (trace,) = traces(read([str(files / "folded.jsonl")], form))
    assert [len(message.calls) for message in trace.messages if message.role == "assistant"] == [1, 1, 1]


def chat(*messages, **more):
    return {"messages": [{"role": "user", "content": "Hello"}, *messages], **more}


def call(name="f", arguments="{}", identity="c1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_arguments_may_be_a_text_or_an_object(write):
    rows = [chat({"role": "assistant", "tool_calls": [call(arguments=given)]}) for given in ('{"a": 1}', {"a": 1}, "")]
    found = traces(read([write(*rows)]))
    assert [dict(each.messages[1].calls[0].arguments) for each in found] == [{"a": 1}, {"a": 1}, {}]


def test_arguments_that_cannot_be_read_are_a_fault_of_the_message(write):
    broken = chat({"role": "assistant", "tool_calls": [call(), call(arguments='{"a": 1', identity="c2")]})
    (trace,) = traces(read([write(broken)]))
    assert trace.messages[1].calls == ()
    assert trace.messages[1].fault.startswith("the arguments of f cannot be read")


def test_results_are_laid_behind_their_calls_and_a_missing_one_is_told(write):
    calls = [call("a", identity="1"), call("b", identity="2"), call("c", identity="3")]
    answers = [{"role": "tool", "tool_call_id": each, "content": each} for each in ("3", "1", "9")]
    row = chat({"role": "assistant", "tool_calls": calls}, *answers, {"role": "assistant", "content": "So."})
    (trace,) = traces(read([write(row)]))
    told = [(message.name, message.content, message.fault) for message in trace.messages if message.role == "tool"]
    assert told == [("a", "1", None), ("b", "", MISSING), ("c", "3", None), (None, "9", None)]


def test_a_call_at_the_very_end_is_the_end_and_no_fault(write):
    (trace,) = traces(read([write(chat({"role": "assistant", "tool_calls": [call()]}))]))
    assert [message.role for message in trace.messages] == ["user", "assistant"]


def test_tools_that_came_later_are_named_where_they_came(write):
    one, two = ({"function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for name in "ab")
    first = [{"role": "user", "content": "Hello"}]
    second = [*first, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "More"}]
    rows = [
        {"type": "GENERATION", "traceId": "t", "startTime": f"2026-01-0{day}",
         "input": {"messages": heard, "tools": tools}, "output": {"role": "assistant", "content": said}}
        for day, heard, tools, said in ((1, first, [one], "Hi"), (2, second, [one, two], "Bye"))
    ]  # fmt: skip
    (trace,) = traces(read([write(*rows)]))
    assert [tool.name for tool in trace.catalogue.tools] == ["a", "b"]
    assert [message.adds for message in trace.messages] == [(), (), ("b",), ()]


def test_a_sub_agents_requests_are_a_conversation_of_their_own(write):
    def seen(at, heard, said):
        return {
            "type": "GENERATION",
            "traceId": "t",
            "startTime": f"2026-01-01T00:00:0{at}",
            "input": heard,
            "output": said,
        }

    main = [{"role": "user", "content": "Main"}]
    helper = [{"role": "user", "content": "Helper"}]
    rows = [
        seen(1, main, "A"),
        seen(2, helper, "B"),
        seen(3, [*main, {"role": "assistant", "content": "A"}, *main], "C"),
    ]
    found = traces(read([write(*rows)]))
    assert [len(each.messages) for each in found] == [4, 2]


# --- what a row may hold ---------------------------------------------------------------------------------------------

HOSTILE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(["\ud800", "\0", "{", "[", '{"a":', "[f(x=open('/etc/passwd'))]", "1" * 400]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def put(value, path, new):
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


def sound(found):
    """What may be stored: of the right kind, and every text bounded and spelled in JSON."""
    for each in found:
        assert isinstance(each, LocatedTrace | UnreadableRow)
        if isinstance(each, UnreadableRow):
            assert each.reason
            assert len(each.reason) < 2000
        else:
            for message in each.trace.messages:
                assert len(message.content) <= MAX_BYTES
                canonical([dict(one.arguments) for one in message.calls])


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_no_reader_raises_whatever_a_row_holds(name, data):
    rows = ROWS[name]
    number = data.draw(st.integers(0, len(rows) - 1))
    path = data.draw(st.sampled_from(sorted(places(rows[number].value), key=str)))
    rows = [*rows]
    rows[number] = SourceRow(rows[number].place, put(rows[number].value, path, data.draw(HOSTILE)))
    for reader in readers():
        reader.claims(rows[number].value)
    sound(next(reader for reader in readers() if reader.name == FORMATS[name]).read(rows))


@given(value=HOSTILE)
def test_no_reader_raises_for_any_value_at_all(value):
    for reader in readers():
        reader.claims(value)
        sound(reader.read([SourceRow(RowLocation("x", 1), value)]))


def test_rows_may_stand_in_any_order(files):
    for name, form in FORMATS.items():
        rows = [*ROWS[name]]
        random.Random(1).shuffle(rows)
        sound(next(reader for reader in readers() if reader.name == form).read(rows))


@pytest.mark.parametrize("form", sorted(set(FORMATS.values())))
def test_a_reader_is_done_with_nothing(form):
    assert list(next(reader for reader in readers() if reader.name == form).read([])) == []


def test_a_picture_is_refused_and_says_where(write):
    row = chat(
        {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}]}
    )
    (refused,) = read([write(row)])
    assert refused.reason == "messages[1].content[0] is of type 'image_url', which is not text"


def test_calls_spelled_as_python_are_literals_or_nothing(files, write):
    row = json.loads((files / "toolace.json").read_text())[0]
    row["conversations"][1]["value"] = '[find_book(title=__import__("os").system("x"))]'
    (trace,) = traces(read([write(row)]))
    assert trace.messages[2].calls == ()
    assert "cannot be read" in trace.messages[2].fault


def test_one_message_of_a_reply_is_no_conversation(write):
    (refused,) = read([write({"messages": [{"role": "user", "content": "x"}]})])
    assert refused.reason == "no assistant says anything in it"
