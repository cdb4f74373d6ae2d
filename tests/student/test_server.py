import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import httpx2
import pytest

from loop import plugins
from loop.errors import FailureKind, ProviderError
from loop.rollout.conversation import conversation
from loop.runtime.gpu import PLAIN
from loop.student.client import Student
from loop.student.server import LEAST_ROOM, room
from loop.templates.render import Renderer
from loop.types import Call, Catalogue, Message, Part, Tool
from loop.weights.tiny import tiny

PARAMETERS = {"type": "object", "properties": {"source": {"type": "string"}}, "required": ["source"]}
CATALOGUE = Catalogue(tools=(Tool(name="mv", description="Move a file.", parameters=PARAMETERS),))
MESSAGES = (Message(role="system", content="Use tools."), Message(role="user", content="Move a to b."))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def token_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "token"
    path.write_text("secret")
    return path


def serve(base, token_file, *more):
    command = [sys.executable, "-m", "loop.student.server", "--base", base, "--template", "compact"]
    child = subprocess.Popen(
        [*command, "--token-file", token_file, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    line = child.stdout.readline()
    assert line, f"the server did not start: {child.wait()}"
    return child, json.loads(line)


def test_keys_and_values_take_half_of_what_is_free_or_the_least():
    assert room(2**36) == 2**35
    assert room(2**30) == LEAST_ROOM


@pytest.fixture(scope="module")
def server(base, token_file):
    child, ready = serve(base, token_file, "--max-rows", "4")
    assert ready == ready | {"engine": "shared-prefix", "rows": 4}
    with child:
        yield f"http://127.0.0.1:{ready['port']}"
        child.stdin.close()


@pytest.fixture
def student(server, token_file):
    settings = {"url": server, "token_file": str(token_file), "max_tokens": 12, "policy": "p"}
    return plugins.load("loop.student", Part(use="client", settings=settings))


def reply_of(student, seed, messages=MESSAGES):
    with conversation(student, None, seed) as chat:
        return chat.reply(messages, CATALOGUE)


def test_a_play_keeps_the_sampled_tokens_and_the_next_step_reads_only_what_is_new(student, base):
    with conversation(student, None, 7) as chat:
        first = chat.reply(MESSAGES, CATALOGUE)
        assert first.message.tokens
        assert first.usage.completion_tokens == len(first.message.tokens) <= 12
        grown = (*MESSAGES, first.message, Message(role="tool", name="mv", content="{}"), *MESSAGES[1:])
        second = chat.reply(grown, CATALOGUE)
    prompt = Renderer.load(base, "compact").prompt(grown, CATALOGUE)
    assert second.usage.prompt_tokens == len(prompt)
    assert second.usage.cached_tokens >= first.usage.prompt_tokens + len(first.message.tokens) - 1


def test_what_is_served_is_what_training_renders(student, base):
    reply = reply_of(student, 1)
    renderer = Renderer.load(base, "compact")
    spans = renderer.spans((*MESSAGES, reply.message), CATALOGUE)
    tokens = tuple(token for span in spans for token in span.tokens)
    served = renderer.prompt(MESSAGES, CATALOGUE) + reply.message.tokens
    assert tokens[: len(served)] == served
    assert tuple(token for span in spans if span.loss for token in span.tokens) == reply.message.tokens


def test_the_same_seed_gives_the_same_answer_alone_and_in_a_crowd(student):
    alone = reply_of(student, 3).message
    answers = {}

    def play(seed):
        answers[seed] = reply_of(student, seed).message

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[3] == alone
    assert len({message.tokens for message in answers.values()}) > 1


def test_a_client_that_goes_away_frees_its_row(base, token_file):
    child, ready = serve(tiny(base.parent, stops=False), token_file, "--max-rows", "2")
    url = f"http://127.0.0.1:{ready['port']}"
    body = {"messages": [{"role": "user", "content": "go"}], "max_tokens": 8000}
    with child, httpx2.Client(headers={"Authorization": "Bearer secret"}) as http:
        for _ in range(3):
            with pytest.raises(httpx2.TimeoutException):
                http.post(f"{url}/v1/chat/completions", json=body, timeout=0.2)
        deadline = time.monotonic() + 20
        while (stats := http.get(f"{url}/v1/stats").json())["rows"] + stats["waiting"]:
            assert time.monotonic() < deadline, stats
            time.sleep(0.05)
        assert stats["spoken"]
        child.stdin.close()


def test_a_request_that_has_to_wait_is_told_so_before_its_answer_comes(base, token_file):
    child, ready = serve(tiny(base.parent, stops=False), token_file, "--max-rows", "1")
    url = f"http://127.0.0.1:{ready['port']}"
    body = {"messages": [{"role": "user", "content": "go"}]}

    def talk_on():
        with pytest.raises(httpx2.TimeoutException):
            httpx2.post(f"{url}/v1/chat/completions", json=body | {"max_tokens": 8000}, headers=http.headers, timeout=3)

    with child, httpx2.Client(headers={"Authorization": "Bearer secret"}, timeout=20) as http:
        first = threading.Thread(target=talk_on)
        first.start()
        while not http.get(f"{url}/v1/stats").json()["rows"]:
            time.sleep(0.02)
        with http.stream("POST", f"{url}/v1/chat/completions", json=body | {"max_tokens": 4}) as second:
            assert second.headers["loopd-queued"] == "rows; ahead=0"
            assert first.is_alive()
            assert http.get(f"{url}/v1/stats").json()["waiting_for"] == "rows"
            assert json.loads(second.read())["usage"]["completion_tokens"] == 4
        first.join()
        child.stdin.close()


def test_a_client_may_have_its_calls_held_to_the_tools(student):
    # A random model says no tag: that the wish arrives shows in a schema that nothing can be held to.
    odd = Catalogue(tools=(Tool(name="look", description="", parameters={"$ref": "#/nowhere"}),))
    said = (Message(role="user", content="hi"),)
    with conversation(student, None, 0) as free:
        assert free.reply(said, odd).message.calls == ()
    with conversation(student.model_copy(update={"constrained": True}), None, 0) as held:
        with pytest.raises(ProviderError, match="parameters of look") as caught:
            held.reply(said, odd)
        assert caught.value.kind is FailureKind.BAD_INPUT


LOOK = {"type": "function", "function": {"name": "look", "description": "", "parameters": {"type": "object"}}}
READ = {"type": "function", "function": {"name": "read", "description": "", "parameters": {"type": "object"}}}


def answered(server, **change):
    body = {"messages": [{"role": "user", "content": "hi"}], "tools": [LOOK, READ], "max_tokens": 400, **change}
    answer = httpx2.post(f"{server}/v1/chat/completions", json=body, headers={"Authorization": "Bearer secret"})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]


def names(choice):
    return [call["function"]["name"] for call in choice["message"].get("tool_calls", ())]


def test_a_client_may_say_which_tool_is_called_or_that_none_is(server):
    named = {"type": "function", "function": {"name": "read"}}
    assert names(answered(server, tool_choice=named)) == ["read"]
    assert set(names(answered(server, tool_choice="required"))) <= {"look", "read"}
    assert len(names(answered(server, tool_choice="required", parallel_tool_calls=False))) == 1
    assert names(answered(server, tool_choice="none", max_tokens=20)) == []


def test_a_client_may_hold_the_answer_to_a_schema(server):
    # It looks like a call, and is what was asked for.
    schema = {
        "type": "object",
        "properties": {
            "name": {"enum": ["look"]},
            "arguments": {"type": "object", "properties": {"n": {"type": "null"}}},
        },
        "required": ["name", "arguments"],
    }
    told = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    choice = answered(server, tools=[], response_format=told)
    assert json.loads(choice["message"]["content"])["name"] == "look"
    assert names(choice) == []


def test_nobody_without_the_token_gets_in(server):
    for path in ("/v1/stats", "/v1/chat/completions", "/"):
        for headers in ({}, {"Authorization": "Bearer secre"}):
            assert httpx2.get(server + path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": "x" * 100_000}]},
        {"max_tokens": 0},
        {"temperature": -1},
        {"n": 2},
        {"stream": True, "stop": 3},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        {"tool_choice": "sometimes"},
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array", "uniqueItems": True}}}},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "[1]"}}]}]},
        {"messages": [{"role": "assistant", "content": "", "token_ids": [3, 10**6]}]},
        {"messages": [{"role": "assistant", "content": "", "token_ids": [-1]}]},
    ],
)
def test_a_request_that_can_never_be_served_is_refused(server, change):
    body = {"messages": [{"role": "user", "content": "hi"}], **change}
    answer = httpx2.post(f"{server}/v1/chat/completions", json=body, headers={"Authorization": "Bearer secret"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_dead_server_is_no_answer_of_the_student(token_file):
    with pytest.raises(ProviderError) as caught:
        reply_of(Student(url="http://127.0.0.1:9", token_file=str(token_file)), 0)
    assert caught.value.kind is FailureKind.LOST


def test_a_refusal_is_bad_input(student):
    too_long = (*MESSAGES, Message(role="user", content="y" * 50_000))
    with pytest.raises(ProviderError) as caught:
        reply_of(student, 0, too_long)
    assert caught.value.kind is FailureKind.BAD_INPUT


def test_calls_travel_both_ways(student):
    said = Message(role="assistant", content="", calls=(Call(name="mv", arguments={"source": "é"}),))
    told = (*MESSAGES, said, Message(role="tool", name="mv", content="ok"))
    assert reply_of(student, 0, told).usage.prompt_tokens > 0


@pytest.mark.parametrize("how", ["stdin", "sigterm"])
def test_it_ends_with_its_parent(base, token_file, how):
    child, _ = serve(base, token_file)
    with child:
        if how == "stdin":
            child.stdin.close()
        else:
            os.kill(child.pid, signal.SIGTERM)
        child.wait(timeout=10)


def test_a_family_that_the_engine_does_not_know_is_served_and_said_to_be(base, token_file, tmp_path):
    other = tmp_path / "sliding"
    shutil.copytree(base, other)
    settings = json.loads((other / "config.json").read_text())
    sliding = {"sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]}
    (other / "config.json").write_text(json.dumps(settings | sliding))
    child, ready = serve(other, token_file)
    with child:
        assert ready["engine"] == PLAIN
        student = Student(url=f"http://127.0.0.1:{ready['port']}", token_file=str(token_file), max_tokens=4)
        assert reply_of(student, 1).message.tokens
        child.stdin.close()


def refusal(base, token_file, template="compact"):
    """Start a server that cannot start; its exit code and what it said."""
    command = [sys.executable, "-m", "loop.student.server", "--base", base, "--template", template]
    child = subprocess.Popen(
        [*command, "--token-file", token_file], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        said = child.stderr.read()  # stdin stays open: its end would end the server first
        return child.wait(), said


def test_an_unknown_template_is_named(base, token_file):
    code, said = refusal(base, token_file, "compakt")
    assert code == 78
    assert "compact" in said
    assert "Traceback" not in said


def test_a_model_that_cannot_be_loaded_ends_the_server_with_its_reason(base, token_file, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    settings = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(settings | {"hidden_size": 32}))
    code, said = refusal(broken, token_file)
    assert code == 78  # and not the SIGABRT of a thread that outlived the interpreter
    assert str(broken) in said
    assert "terminate" not in said
