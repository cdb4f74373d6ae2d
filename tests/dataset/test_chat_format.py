"""Plays in the field's format, and as a person reads them."""

import io
import json

import pytest
from rich.console import Console

from loop.cli import transcript
from loop.dataset.chat_format import row
from loop.rollout.play import play
from loop.store.trajectories import Shown
from loop.types import Accepted, Call, Catalogue, End, Message, Part, Play, Tool, Trajectory, Verdict
from task_generators.trading import Trading

ARM = next(arm for arm in Trading().arms if arm.family == "buy" and arm.tier == "easy")
TASK = Trading().make(ARM, 3)


@pytest.fixture(scope="module")
def accepted():
    owed = Play(id="p", round=1, task=TASK, player=Part(use="scripted"), player_name="scripted", system="Act.")
    return Accepted(id="p", task=TASK, trajectory=play(owed))


@pytest.mark.parametrize(("spelling", "kind"), [("object", dict), ("string", str)])
def test_a_row_has_every_message_and_each_result_names_its_call(accepted, spelling, kind):
    told = row(accepted, spelling)
    calls = [call for message in told["messages"] for call in message.get("tool_calls", ())]
    results = [message["tool_call_id"] for message in told["messages"] if message["role"] == "tool"]
    assert len(told["messages"]) == len(accepted.trajectory.messages)
    assert [call["id"] for call in calls] == results
    assert len(set(results)) == len(results) > 0
    for call, made in zip(calls, accepted.trajectory.calls, strict=True):
        arguments = call["function"]["arguments"]
        assert isinstance(arguments, kind)
        assert (arguments if kind is dict else json.loads(arguments)) == dict(made.arguments)
    assert [tool["function"]["name"] for tool in told["tools"]] == list(TASK.tools)
    assert json.dumps(told) == json.dumps(row(accepted, spelling))


def test_a_tool_that_comes_later_is_told_where_it_comes():
    parameters = {"type": "object", "properties": {"name": {"type": "string"}}}
    cd, mkdir = (Tool(name=name, description="", parameters=parameters) for name in ("cd", "mkdir"))
    messages = (
        Message(role="user", content="I need a folder called dome."),
        Message(role="assistant", content="There is no tool for that."),
        Message(role="user", content="There is one now.", adds=("mkdir",)),
        Message(role="assistant", content="", calls=(Call(name="mkdir", arguments={"name": "dome"}),)),
        Message(role="tool", name="mkdir", content="null", ok=True),
        Message(role="assistant", content="It is there."),
    )
    played = Trajectory(
        task=TASK.id, player="x", catalogue=Catalogue(tools=(cd, mkdir)), messages=messages, end=End.CLOSED
    )
    told = row(Accepted(id="p", task=TASK, trajectory=played))
    assert [tool["function"]["name"] for tool in told["tools"]] == ["cd"]
    assert ["mkdir" in message["content"] for message in told["messages"]] == [False, False, True, False, False, False]
    _, _, line = told["messages"][2]["content"].rpartition("\n")
    assert json.loads(line)["function"] == mkdir.model_dump(mode="json")


def shown(trajectory, verdicts=()):
    console = Console(file=io.StringIO(), width=100)
    console.print(transcript.play(Shown(id="abc", round=1, task=TASK, trajectory=trajectory, verdicts=verdicts)))
    return console.file.getvalue()


def test_a_person_sees_who_said_what_the_calls_and_the_verdicts(accepted):
    wrong = Verdict(checker="outcome", version=1, passed=False, score=0, reason="turn 1: no")
    text = shown(accepted.trajectory, (wrong,))
    for call in accepted.trajectory.calls:
        assert f"{call.name}(" in text
    for word in (str(ARM), "scripted", "turn 1 of", TASK.turns[0].user, "✗ outcome 1: turn 1: no"):
        assert word in text


def test_a_result_cannot_steer_the_terminal(accepted):
    evil = Message(role="tool", name="x", content="\x1b[2J\x07gone", ok=True)
    text = shown(accepted.trajectory.model_copy(update={"messages": (evil,)}))
    assert "\x1b" not in text
    assert "\\x1b[2J" in text
