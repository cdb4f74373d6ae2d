"""A first look: what is in traces, without a model and without a store."""

import json

from typer.testing import CliRunner

from loop.cli.main import app
from loop.traces.inspection import inspect
from loop.traces.reading import read

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
OTHER = {"type": "function", "function": {"name": "find", "description": "new", "parameters": {"type": "object"}}}


def row(*more, tools=(), said="Hello"):
    asked = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "find", "arguments": "{}"}}],
    }
    return {"messages": [{"role": "user", "content": said}, asked, *more], "tools": list(tools)}


def answer(identity="1"):
    return {"role": "tool", "tool_call_id": identity, "content": "3"}


CLOSING = {"role": "assistant", "content": "Three."}


def test_a_first_look_counts_what_is_there(write):
    path = write(
        row(answer(), CLOSING, tools=[TOOL]),
        row(answer(), CLOSING, tools=[TOOL]),
        row(answer(), CLOSING, tools=[OTHER], said="I am at a@b.com"),
        row(CLOSING),
        row(answer(), CLOSING, said="the key AKIA" + "IOSFODNN7EXAMPLE"),
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": 3}]},
        b"{",
    )
    found = inspect(read([path]))
    assert (found.traces, found.refused, found.duplicates, found.trainable) == (6, 2, 1, 4)
    assert (found.unanswered, found.uncalled, found.without_catalogue, found.secrets) == (1, 1, 2, 1)
    assert found.personal == {"email": 1}
    assert [(tool.name, tool.calls, tool.traces, tool.schemas) for tool in found.tools] == [("find", 5, 5, 2)]
    assert (found.messages.least, found.messages.median, found.messages.most) == (2, 4, 4)
    first, second = found.examples
    assert first == f"{path}:7: messages[0].content is a number, not a list"
    assert second.startswith(f"{path}:8: no JSON: ")


def test_the_command_prints_what_it_found_and_needs_no_home(write, tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "none"))
    path = write(row(answer(), CLOSING, tools=[TOOL]))
    plain = CliRunner().invoke(app, ["trace", "inspect", path])
    assert plain.exit_code == 0
    assert "1 traces (1 openai_messages), 0 rows refused" in plain.output
    told = json.loads(CliRunner().invoke(app, ["trace", "inspect", path, "--json"]).output)
    assert (told["schema"], told["traces"], told["trainable"]) == ("loopd/v1", 1, 1)
    assert not (tmp_path / "none").exists()


def test_nothing_to_read_is_told_and_is_a_failure(write):
    done = CliRunner().invoke(app, ["trace", "inspect", write({"hello": 1})])
    assert done.exit_code != 0
    assert "1 rows refused" in done.output
