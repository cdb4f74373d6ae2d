"""A child that misbehaves: a script in place of the client."""

import os
import signal
import sys
import time

import psutil
import pytest

from loop.errors import FailureKind, ProviderError
from teachers.codex_client.exec_step import run_step
from teachers.codex_client.home import Home
from teachers.codex_client.process import ClientProcess

pytestmark = pytest.mark.reliability(id="F14")

ENV = {"PATH": "/usr/bin:/bin", "MARK": "1"}


@pytest.fixture
def start(tmp_path):
    """Starts a Python child that runs some lines."""
    return lambda code, **more: ClientProcess([sys.executable, "-c", code], ENV, tmp_path, **more)


def lines(child, seconds=10.0):
    deadline, found = time.monotonic() + seconds, []
    while (line := child.line(deadline)) is not None:
        found.append(tuple(line))
    return found


def test_both_streams_come_in_lines_and_the_environment_is_ours(start):
    code = "import os, sys; print('a\\nb'); print('c', file=sys.stderr); print(sorted(os.environ)[:3])"
    with start(code) as child:
        found = lines(child)
        assert child.wait() == 0
    assert [text for stream, text in found if stream == "out"][:2] == ["a", "b"]
    assert ("err", "c") in found
    assert list(child.errors) == ["c"]
    assert "MARK" in found[-1][1] or "LC_CTYPE" in str(found)


def test_a_long_input_and_a_long_output_do_not_block_each_other(start):
    code = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"
    text = "x" * 999 + "\n"
    with start(code) as child:
        child.send(text * 3000, last=True)
        assert len(lines(child)) == 3000


def test_a_child_that_does_not_read_does_no_harm(start):
    with start("print('done')") as child:
        child.send("x" * 1_000_000, last=True)
        assert lines(child) == [("out", "done")]


def test_what_is_sent_between_lines_arrives(start):
    with start("for line in iter(input, 'end'): print(line.upper(), flush=True)") as child:
        for word in ("one", "two"):
            child.send(f"{word}\n")
            assert child.line(time.monotonic() + 5).text == word.upper()
        child.send("end\n", last=True)
        assert child.line(time.monotonic() + 5) is None


def test_a_line_without_an_end_is_a_line(start):
    with start("import sys; sys.stdout.write('half')") as child:
        assert lines(child) == [("out", "half")]


def test_time_is_kept_though_it_goes_on_talking(start):
    began = time.monotonic()
    with start("import time\nwhile True: print('still here', flush=True); time.sleep(0.01)") as child:
        with pytest.raises(ProviderError) as caught:
            lines(child, 0.5)
        assert caught.value.kind is FailureKind.RETRYABLE
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("end", ["\\n", ""])
def test_output_is_bounded(start, end):
    with start(f"while True: print('x' * 1000, end='{end}')", cap=500_000) as child:
        with pytest.raises(ProviderError, match="more than a teacher may") as caught:
            lines(child)
        assert caught.value.kind is FailureKind.BAD_OUTPUT


def test_nothing_of_the_group_outlives_it_however_stubborn(start, monkeypatch):
    monkeypatch.setattr("teachers.codex_client.process.GRACE", 0.2)
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(2, 1); time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with start(code) as child:
        grandchild = int(child.line(time.monotonic() + 10).text)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert child.process.returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_is_fatal(tmp_path):
    with pytest.raises(ProviderError, match="cannot be started") as caught:
        ClientProcess([str(tmp_path / "nothing")], ENV, tmp_path)
    assert caught.value.kind is FailureKind.FATAL


# --- a client that lies ----------------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path):
    """Makes a home whose client is a script."""

    def make(script):
        binary = tmp_path / "codex"
        binary.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
        binary.chmod(0o755)
        (tmp_path / "schemas").mkdir(exist_ok=True)
        return Home(
            binary=binary,
            version=(0, 163, 0),
            root=tmp_path,
            empty=tmp_path,
            lock=tmp_path / "lock",
            env=dict(ENV),
            secrets=("hunter22",),
        )

    return make


COMPLETED = """echo '{"type":"turn.completed","usage":{"input_tokens":5}}'"""
SAID = """echo '{"type":"item.completed","item":{"type":"agent_message","text":"hello"}}'"""


FAILED = """echo '{"type":"turn.failed","error":{"message":"You hit your usage limit"}}'; exit 1"""
HANDSHAKE = "echo 'ERROR codex_core::client: failed to connect to websocket: TLS handshake eof' >&2"


def begins(kind):
    """An item of some kind, and then nothing."""
    return f"""echo '{{"type":"item.started","item":{{"type":"{kind}"}}}}'; sleep 60"""


LIES = {
    "nothing": ("exit 0", FailureKind.FATAL, ""),
    "a message without an end": (SAID, FailureKind.FATAL, ""),
    "an end without a message": (COMPLETED, FailureKind.BAD_OUTPUT, "empty"),
    "no JSON": ("echo hello", FailureKind.FATAL, "hello"),
    "no message and a failure": (f"{COMPLETED}\necho 'dns error' >&2; exit 1", FailureKind.RETRYABLE, "dns"),
    "a failure after the end": (f"{SAID}\n{COMPLETED}\n{FAILED}", FailureKind.QUOTA, "usage limit"),
    "refused arguments": ("echo 'bad flag hunter22' >&2; exit 2", FailureKind.FATAL, "bad flag [redacted]"),
    "a tool": (begins("command_execution"), FailureKind.UNSAFE, "tool"),
    "a tool that is new": (begins("time_travel"), FailureKind.UNSAFE, "time_travel"),
    "the router": ("echo 'ERROR codex_core::tools::router: x' >&2; sleep 60", FailureKind.UNSAFE, "router"),
    "killed": ("kill -9 $$", FailureKind.FATAL, "-9"),
}  # fmt: skip


@pytest.mark.parametrize("row", LIES)
def test_only_a_whole_answer_is_an_answer(client, row):
    script, kind, told = LIES[row]
    began = time.monotonic()
    with pytest.raises(ProviderError) as caught:
        run_step(client(script), "prompt", "{}", 20.0)
    found = FailureKind.FATAL if getattr(caught.value, "unknown", False) else caught.value.kind
    assert found is kind
    assert told in str(caught.value)
    assert time.monotonic() - began < 5


def test_a_whole_answer_is_one(client):
    text, usage = run_step(client(f"{SAID}\n{COMPLETED}"), "prompt", "{}", 20.0)
    assert (text, usage.prompt_tokens) == ("hello", 5)


@pytest.mark.parametrize("end", [f"{HANDSHAKE}; exit 1", "exit 101", "kill -9 $$", "exit 2"])
def test_a_whole_answer_counts_however_the_client_ends(client, end):
    text, usage = run_step(client(f"{SAID}\n{COMPLETED}\n{end}"), "prompt", "{}", 20.0)
    assert (text, usage.prompt_tokens) == ("hello", 5)


def test_a_whole_answer_counts_though_the_client_does_not_end(client, monkeypatch):
    monkeypatch.setattr("teachers.codex_client.exec_step.LAST_WORDS_S", 0.3)
    began = time.monotonic()
    text, _ = run_step(client(f"{SAID}\n{COMPLETED}\nsleep 60"), "prompt", "{}", 20.0)
    assert text == "hello"
    assert time.monotonic() - began < 10


def test_a_tool_after_a_whole_answer_is_unsafe_all_the_same(client):
    with pytest.raises(ProviderError) as caught:
        run_step(client(f"{SAID}\n{COMPLETED}\n{begins('command_execution')}"), "prompt", "{}", 20.0)
    assert caught.value.kind is FailureKind.UNSAFE


@pytest.mark.parametrize("line", ["WARNING: could not update PATH", "123", '"text"', "[1, 2]", '{"type":', "\u00e9"])
def test_a_line_of_a_wrapper_is_passed_over(client, line):
    assert run_step(client(f"echo '{line}'\n{SAID}\n{COMPLETED}"), "prompt", "{}", 20.0)[0] == "hello"


@pytest.mark.parametrize("count", ["-5", "1e300", "99999999999999999", "true", '"12"', "null", "[]"])
def test_a_count_of_tokens_is_bounded(client, count):
    completed = COMPLETED.replace("5}", f"{count}}}")
    _, usage = run_step(client(f"{SAID}\n{completed}"), "prompt", "{}", 20.0)
    assert 0 <= usage.prompt_tokens <= 10**9


def test_the_prompt_is_no_argument_and_the_shell_is_not_asked(client, tmp_path):
    home = client(f'printf "%s\\n" "$@" > {tmp_path}/argv; env > {tmp_path}/env\n{SAID}\n{COMPLETED}')
    run_step(home, "$(touch pwned) `touch pwned`", "{}", 20.0)
    argv = (tmp_path / "argv").read_text()
    assert "touch" not in argv
    assert argv.splitlines()[-1] == "-"
    assert not (tmp_path / "pwned").exists()
    assert set(os.environ) - {line.split("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
