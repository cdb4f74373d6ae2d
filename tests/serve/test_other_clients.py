"""Other people's clients: the `openai` package for Node, and the command line `llm`. Skipped where they are absent."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NODE = Path(__file__).with_name("node")


def ran(command, **environment):
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
@pytest.mark.skipif(not (NODE / "node_modules").is_dir(), reason=f"npm ci --ignore-scripts --prefix {NODE.name}")
def test_the_client_for_node_streams_calls_and_understands_a_refusal(server):
    told = json.loads(ran(["node", str(NODE / "client.mjs")], BASE_URL=server.url, API_KEY=server.key))
    assert told["text"] == told["whole"]
    assert told["called"]["finish_reason"] == "tool_calls"
    [call] = told["called"]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"])["city"] in {"Oslo", "Rome"}
    assert told["ran"] == "assistant"
    assert told["refused"] == {"status": 400, "param": "n", "code": "unsupported_parameter"}
    assert told["names"][0] == "loopd"


def llm():
    return shutil.which("llm") or shutil.which("llm", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(llm() is None, reason="no llm here: pip install llm")
def test_the_command_line_llm_talks_and_fills_a_schema(server, tmp_path):
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: loopd\n  model_name: loopd\n  api_base: {server.url}\n  api_key_name: loopd\n"
        "  supports_schema: true\n  supports_tools: true\n"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"loopd": server.key}))
    place = {"LLM_USER_PATH": str(tmp_path)}
    whole = ran([llm(), "-m", "loopd", "--no-stream", "Hello", "-o", "max_tokens", "20"], **place)
    streamed = ran([llm(), "-m", "loopd", "Hello", "-o", "max_tokens", "20"], **place)
    assert streamed == whole
    filled = ran([llm(), "-m", "loopd", "--schema", "warm bool", "Is it?", "-o", "max_tokens", "60"], **place)
    assert isinstance(json.loads(filled)["warm"], bool)
