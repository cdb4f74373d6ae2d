"""What people ask and are answered becomes traces where the settings say so, and only then."""

import time

import httpx2
import openai
import pytest

from loop.serve.capture import message_of

from .conftest import opened

ASK = {"messages": [{"role": "user", "content": "Write to anna.keller@example.com that it is warm."}], "max_tokens": 60}
PARAMETERS = {"type": "object", "properties": {"warm": {"type": "boolean"}}, "required": ["warm"]}
TOOL = {"type": "function", "function": {"name": "note", "description": "Note.", "parameters": PARAMETERS}}
CALLS = {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("home"), capture={"loopd": 1.0, "loopd/stock": 0.0}) as found:
        yield found


def until(true):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_answers_are_kept_scrubbed_once_and_only_of_the_model_that_was_named(server):
    other = [{"role": "user", "content": "Is it warm?"}]
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        client.chat.completions.create(model="loopd/stock", messages=other, **CALLS)
        whole = client.chat.completions.create(model="loopd", **ASK, **CALLS)
        for _ in client.chat.completions.create(model="loopd", **ASK, **CALLS, stream=True):
            pass
        list(client.chat.completions.create(model="loopd", messages=other, max_tokens=4, stream=True))
    until(lambda: len(list(server.store.traces.all())) >= 2)
    first, second = sorted(server.store.traces.all(), key=lambda kept: -len(kept.trajectory.messages[1].content))
    assert "anna.keller" not in first.trajectory.messages[1].content
    [call] = whole.choices[0].message.tool_calls
    assert [each.name for each in first.trajectory.messages[2].calls] == [call.function.name]
    assert second.trajectory.messages[1].content == "Is it warm?"
    assert "100% of loopd" in server.board.now.endpoint


def test_a_stream_that_broke_off_is_no_answer():
    with pytest.raises(ValueError, match="broke off"):
        message_of(b'data: {"choices": [{"delta": {"content": "half"}}]}\n\n')


def test_feedback_is_taken_and_what_is_none_is_refused_by_name(server):
    url = f"{server.url}/feedback"
    good = {"kind": "down", "messages": [*ASK["messages"], {"role": "assistant", "content": "No."}]}
    taken = httpx2.post(url, json=good, headers=server.headers)
    assert taken.status_code == 200, taken.text
    assert taken.json()["id"]
    for bad in ({"kind": "sideways"}, {"wings": 2}, []):
        refused = httpx2.post(url, json=bad, headers=server.headers)
        assert refused.status_code == 400
        assert refused.json()["error"]["message"]
    assert httpx2.post(url, json=good).status_code == 401
