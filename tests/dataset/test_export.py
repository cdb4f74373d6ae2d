"""What is written is read back by each format's own package, and by the readers of traces."""

import json

import pytest
from atif import Trajectory as AtifTrajectory
from inspect_ai.log import read_eval_log
from pyarrow import parquet

from loop.dataset.export import ExportFormat, write
from loop.errors import CannotCreate
from loop.rollout.play import play
from loop.traces.reading import read
from loop.types import Accepted, Call, Catalogue, End, Message, Part, Play, Tool, Trajectory
from task_generators.trading import Trading

TOOLS = Catalogue(
    tools=tuple(
        Tool(name=name, description=name, parameters={"type": "object", "properties": {"n": {"type": "integer"}}})
        for name in ("find", "late")
    )
)
MESSAGES = (
    Message(role="system", content="Act."),
    Message(role="user", content="Both, please: é€😀"),
    Message(
        role="assistant",
        content="",
        reasoning="Two at once.",
        calls=(Call(name="find", arguments={"n": 1}), Call(name="find", arguments={"n": 2})),
    ),
    Message(role="tool", name="find", content='{"n": 1}', ok=True),
    Message(role="tool", name="find", content='{"error": "busy"}', ok=False),
    Message(role="assistant", content="Only one."),
    Message(role="user", content="Try the new tool.", adds=("late",)),
    Message(role="assistant", content="", calls=(Call(name="late"),)),
    Message(role="tool", name="late", content="done"),
    Message(role="assistant", content="Done."),
)


@pytest.fixture(scope="module")
def accepted():
    arm = next(arm for arm in Trading().arms if arm.family == "buy" and arm.tier == "easy")
    task = Trading().make(arm, 3)
    owed = Play(id="p1", round=1, task=task, player=Part(use="scripted"), player_name="scripted", system="Act.")
    hand = Trajectory(task=task.id, player="hand", end=End.CLOSED, messages=MESSAGES, catalogue=TOOLS, started=10**15)
    return [Accepted(id="p1", task=task, trajectory=play(owed)), Accepted(id="p2", task=task, trajectory=hand)]


def said(messages):
    return [
        (m.role, [(c.name, dict(c.arguments)) for c in m.calls], m.name if m.role == "tool" else None) for m in messages
    ]


def test_atifs_own_package_reads_every_trajectory(accepted, tmp_path):
    path = tmp_path / "out.jsonl"
    assert write(ExportFormat.ATIF, accepted, path) == 2
    _, hand = (AtifTrajectory.model_validate_json(line) for line in path.read_text().splitlines())
    assert (hand.schema_version, hand.trajectory_id, hand.agent.name) == ("ATIF-v1.7", "p2", "loopd")
    assert [step.source for step in hand.steps] == ["system", "user", "agent", "agent", "user", "agent", "agent"]
    assert [call.arguments for call in hand.steps[2].tool_calls] == [{"n": 1}, {"n": 2}]
    results = hand.steps[2].observation.results
    assert [each.content for each in results] == ['{"n": 1}', '{"error": "busy"}']
    assert [each.source_call_id for each in results] == [call.tool_call_id for call in hand.steps[2].tool_calls]
    assert hand.steps[4].extra == {"adds": ["late"]}


def test_inspects_own_package_reads_the_log(accepted, tmp_path):
    path = tmp_path / "out.json"
    write(ExportFormat.INSPECT, accepted, path)
    log = read_eval_log(str(path))
    assert (log.status, len(log.samples)) == ("success", 2)
    hand = log.samples[1]
    assert [message.role for message in hand.messages] == [message.role for message in MESSAGES]
    assert [(call.function, call.arguments) for call in hand.messages[2].tool_calls] == [
        ("find", {"n": 1}),
        ("find", {"n": 2}),
    ]
    assert [message.tool_call_id for message in hand.messages[3:5]] == [call.id for call in hand.messages[2].tool_calls]
    assert hand.messages[4].error.message == '{"error": "busy"}'
    assert '"name": "late"' in hand.messages[6].text
    assert [tool["function"]["name"] for tool in hand.metadata["tools"]] == ["find"]


def test_parquet_holds_messages_and_tools(accepted, tmp_path):
    path = tmp_path / "out.parquet"
    write(ExportFormat.PARQUET, accepted, path)
    _, hand = parquet.read_table(path).to_pylist()
    assert hand["id"] == "p2"
    assert [message["role"] for message in hand["messages"]] == [message.role for message in MESSAGES]
    assert json.loads(hand["messages"][2]["tool_calls"][1]["function"]["arguments"]) == {"n": 2}
    assert [tool["function"]["name"] for tool in json.loads(hand["tools"])] == ["find"]


@pytest.mark.parametrize("form", [ExportFormat.MESSAGES, ExportFormat.ATIF, ExportFormat.PARQUET])
def test_what_was_written_comes_back_as_a_trace(accepted, tmp_path, form):
    path = tmp_path / ("out.parquet" if form is ExportFormat.PARQUET else "out.jsonl")
    write(form, accepted, path)
    found = list(read([str(path)]))
    assert [said(each.trace.messages) for each in found] == [said(each.trajectory.messages) for each in accepted]
    assert found[1].trace.messages[1].content == MESSAGES[1].content


@pytest.mark.parametrize("form", list(ExportFormat))
def test_the_same_conversations_give_the_same_bytes(accepted, tmp_path, form):
    for name in ("one", "two"):
        write(form, accepted, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("form", list(ExportFormat))
def test_nothing_is_a_file_too_and_a_wrong_place_is_an_error(tmp_path, form):
    assert write(form, [], tmp_path / "none") == 0
    with pytest.raises(CannotCreate, match="nowhere"):
        write(form, [], tmp_path / "nowhere" / "out")
