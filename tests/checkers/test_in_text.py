"""Answers in text: calls written as they were asked for, read as BFCL reads them, and questions about what was said."""

import importlib
import time
from itertools import pairwise

import pytest
from bfcl_eval.constants.enums import ReturnFormat

from checkers.recall import Recall
from checkers.single_turn.spelt import spelt_calls
from checkers.text_match import TextMatch
from loop.calls import NotACall
from loop.types import Call, End, Message, Trajectory
from task_generators.backends.bfcl_formats import format_tasks
from task_generators.backends.excerpts import excerpt
from task_generators.backends.formats import FORMAT
from task_generators.backends.functions_backend import FUNCTIONS
from task_generators.suites import suite


@pytest.fixture(scope="module")
def official():
    """BFCL's own decoder."""
    named = ("ast_parse", "default_decode_ast_prompting", "resolve_ast_call", "resolve_ast_by_type")
    module = excerpt("model_handler/utils.py", named)
    vars(module)["ast"] = importlib.import_module("ast")
    for parser, function in (("json", "json"), ("xml", "concise_xml"), ("xml", "verbose_xml")):
        name = f"parse_{function}_function_call"
        found = importlib.import_module(f"bfcl_eval.model_handler.parser.{parser}_parser")
        setattr(module, name, getattr(found, name))
    return module.default_decode_ast_prompting


@pytest.fixture(scope="module")
def tasks():
    return list(format_tasks())[::17]


def told(text):
    return (Message(role="user", content="q"), Message(role="assistant", content=text))


def judged(task, text):
    return TextMatch().check(task, Trajectory(task=task.id, player="p", messages=told(text), end=End.CLOSED))


def listed(value):
    """Give tuples the form of lists."""
    if isinstance(value, dict):
        return {name: listed(inner) for name, inner in value.items()}
    return [listed(inner) for inner in value] if isinstance(value, list | tuple) else value


CHANGED = {
    "as it is": lambda text: text,
    "in a code block": lambda text: f"```\n{text}\n```",
    "with words before": lambda text: f"Here you are: {text}",
    "with words after": lambda text: f"{text} That is all.",
    "without the tag": lambda text: text.replace("<TOOLCALL>", "").replace("</TOOLCALL>", ""),
    "half of it": lambda text: text[: len(text) // 2],
    "with blanks": lambda text: f"\n  {text}  \n",
    "nothing": lambda _: "",
    "prose": lambda _: "I would call the function now.",
}


@pytest.mark.parametrize("change", CHANGED)
def test_calls_in_text_are_read_as_bfcl_reads_them(change, tasks, official):
    differ = []
    for task in tasks:
        wanted = task.initial[FUNCTIONS][FORMAT]
        text = CHANGED[change](task.turns[0].closing)
        try:
            theirs = official(text, ReturnFormat(wanted["returned"]), wanted["tagged"])
        except Exception:  # noqa: BLE001 - whatever BFCL's decoder raises, its run counts as wrong
            theirs = []
        try:
            spelt = spelt_calls(text, wanted["returned"], tagged=wanted["tagged"])
            ours = [{call.name: call.arguments} for call in spelt]
        except NotACall:
            ours = []
        if ours != listed(theirs):
            differ.append((task.family, text[:200], ours, theirs))
    assert differ == []


def test_the_right_calls_in_the_wrong_words_are_wrong(tasks):
    for task, other in pairwise(tasks):
        assert judged(task, task.turns[0].closing).passed
        assert not judged(task, other.turns[0].closing).passed


def test_a_call_of_a_tool_is_no_answer_in_text(tasks):
    said = Message(role="assistant", content=tasks[0].turns[0].closing, calls=(Call(name="f"),))
    trajectory = Trajectory(task=tasks[0].id, player="p", messages=(said,), end=End.CLOSED)
    assert "as text" in TextMatch().check(tasks[0], trajectory).reason


def with_parameter(kind, value):
    return f'<functions><function name="f"><param name="a" type="{kind}">{value}</param></function></functions>'


HOSTILE = [
    ("python", "[" * 60_000),
    ("python", "[f(a=" + "(" * 20_000 + ")]"),
    ("python", "[__import__('os').system('touch CANARY')]"),
    ("python", "[f(a=open('CANARY', 'w'))]"),
    ("python", "[f(**{'a': 1})]"),
    ("python", "[f(a=9**9**9)]"),
    ("python", "[f(a=10**400)]"),
    ("json", "[{" * 30_000),
    ("json", '[{"function": 1}]'),
    ("json", '[{"function": "f", "parameters": {"a": NaN}}]'),
    ("json", '[{"function": "f", "parameters": ' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}]"),
    ("verbose_xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><functions>&a;</functions>'),
    ("verbose_xml", '<functions><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>&a;</functions>'),
    ("verbose_xml", "<functions>" + "<a>" * 20_000 + "</functions>"),
    ("verbose_xml", '<functions><function name="f"><param name="a" value="1" type="float"/></function>'),
    ("concise_xml", '<functions><function><param name="a">1</param></function></functions>'),
    (
        "concise_xml",
        '<functions><function name="f"><param name="a" type="integer">'
        + "9" * 6_000
        + "</param></function></functions>",
    ),
    ("concise_xml", '<functions><function name="f"><param name="a" type="float">inf</param></function></functions>'),
    (
        "concise_xml",
        '<functions><function name="f"><param name="a" type="dict">open("x")</param></function></functions>',
    ),
    ("python", "x" * 100_000),
]


@pytest.mark.parametrize(("returned", "text"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_answer_is_refused_at_once_and_runs_nothing(returned, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    with pytest.raises(NotACall):
        spelt_calls(text, returned, tagged=False)
    assert time.monotonic() - began < 2
    assert not [*tmp_path.iterdir()]


# --- what was said before --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked():
    """The shortest scenario."""
    return suite("bfcl-memory-kv").tasks[3]


def answers(task, change=lambda text: text):
    messages = []
    for turn in task.turns:
        messages.append(Message(role="user", content=turn.user))
        messages.append(Message(role="assistant", content=change(turn.closing) if turn.aside else turn.closing))
    return Trajectory(task=task.id, player="p", messages=tuple(messages), end=End.CLOSED)


@pytest.mark.parametrize(
    ("change", "right"),
    [
        (lambda text: text, 25),
        (str.upper, 25),
        (lambda text: text.replace("'", '"'), 25),
        (lambda text: f"I looked it up. It is this: {text}. Anything else?", 25),
        (lambda text: "I do not know", 0),
        (lambda text: "", 0),
        (lambda text: text.replace("'answer': '", "'answer': 'x"), 0),
    ],
    ids=["right", "capitals", "quotes", "sentence", "ignorant", "silent", "another word"],
)
def test_an_answer_is_right_where_a_right_one_stands_in_it(asked, change, right):
    verdict = Recall().check(asked, answers(asked, change))
    assert verdict.evidence["asked"] == 25
    assert abs(verdict.evidence["right"] - right) <= (2 if right == 0 else 0)
    assert verdict.passed == (right == 25)
    assert verdict.score == verdict.evidence["right"] / 25


def test_questions_that_were_not_reached_are_wrong_and_the_others_count(asked):
    whole = answers(asked)
    half = whole.model_copy(update={"messages": whole.messages[:-20], "end": End.CAP})
    assert Recall().check(asked, half).evidence == {"right": 15, "asked": 25}
    without = whole.model_copy(update={"messages": whole.messages[6:]})
    assert Recall().check(asked, without).evidence == {"right": 25, "asked": 25}, "a conversation that was cut short"
