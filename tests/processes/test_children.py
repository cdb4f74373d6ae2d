"""Children end with the daemon, however it ends, and nothing that they print can hurt it."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from loop.errors import FailureKind, ProviderError
from loop.runtime.child import MAX_LINE, Child, ChildRecord, reap, scrubbed

PARENT = Path(__file__).with_name("parent.py")
FLOOD = "import sys\nwhile True: sys.stdout.write('x' * 65536)"


def child(tmp_path, program, name="child", **settings):
    return Child(name, (sys.executable, "-c", program), run=tmp_path / "run", logs=tmp_path / "logs", **settings)


def living(pids):
    """Processes of these pids and of their sessions."""
    return [pid for pid in psutil.pids() if (pid in pids or session(pid) in pids) and not is_gone(pid)]


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def session(pid):
    try:
        return os.getsid(pid)
    except OSError:
        return None


def eventually(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@contextmanager
def killed_parent(tmp_path, *kinds):
    """Pids of the children of a parent that was killed by kill -9."""
    arguments = [sys.executable, str(PARENT), str(tmp_path), *kinds]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as parent:
        pids = json.loads(parent.stdout.readline())
        if "deaf" in kinds:
            time.sleep(0.3)
        parent.kill()
    try:
        yield pids
    finally:
        for pid in living(pids):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.reliability(id="F16")
def test_children_of_a_killed_daemon_end_within_seconds_by_themselves(tmp_path):
    with killed_parent(tmp_path, "follows", "follows") as pids:
        assert eventually(lambda: not living(pids))


def test_what_outlives_a_killed_daemon_is_ended_by_the_next_one(tmp_path):
    with killed_parent(tmp_path, "deaf", "forks") as pids:
        assert living(pids)
        assert "deaf" in reap(tmp_path / "run")
        assert eventually(lambda: not living(pids))
    assert not list((tmp_path / "run").iterdir())


def test_a_grandchild_whose_parent_is_dead_is_ended_as_well(tmp_path):
    with killed_parent(tmp_path, "forks") as (pid,):
        assert eventually(lambda: is_gone(pid))
        assert living([pid]), "the grandchild lives on in the dead child's session"
        assert reap(tmp_path / "run") == ["forks"]
        assert eventually(lambda: not living([pid]))


@pytest.mark.parametrize("field", ["created", "booted"])
def test_a_pid_that_was_given_out_again_is_never_killed(tmp_path, field):
    with child(tmp_path, "import time; time.sleep(600)") as other:
        right = other._trace
        other._path.write_text(right.model_copy(update={field: getattr(right, field) - 3600}).model_dump_json())
        assert reap(tmp_path / "run") == []
        assert other.alive
        other._path.write_text(right.model_dump_json())
        assert reap(tmp_path / "run") == ["child"]


def test_a_broken_record_is_passed_over_and_removed(tmp_path):
    path = tmp_path / "x-1.child.json"
    path.write_text('{"pid": "no"')
    assert reap(tmp_path) == []
    assert not path.exists()


def test_a_record_names_pid_and_start(tmp_path):
    with child(tmp_path, "input()") as running:
        (path,) = (tmp_path / "run").iterdir()
        trace = ChildRecord.model_validate_json(path.read_bytes())
        assert (trace.name, trace.pid) == ("child", running.pid)
        assert trace.created == pytest.approx(psutil.Process(running.pid).create_time())
    assert not path.exists()


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path):
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    deaf = child(tmp_path, program, grace=0.3)
    deaf.line(10)
    began = time.monotonic()
    deaf.terminate()
    assert 0.3 <= time.monotonic() - began < 3
    assert not deaf.alive


def test_ending_a_child_ends_what_it_started(tmp_path):
    start = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    program = f"import subprocess, sys; print({start}.pid, flush=True)"
    with child(tmp_path, program) as parent:
        grandchild = int(parent.line(10))
        assert eventually(lambda: not parent.alive)
        assert living([grandchild])
    assert not living([grandchild])


def test_ending_twice_is_ending_once(tmp_path):
    ended = child(tmp_path, "input()")
    ended.terminate()
    ended.terminate()
    assert not ended.alive


def test_a_child_leads_its_own_session_so_that_ctrl_c_spares_it(tmp_path):
    with child(tmp_path, "input()") as running:
        assert os.getsid(running.pid) == running.pid != os.getsid(0)


def test_lines_come_whole_and_in_order_however_they_are_cut(tmp_path):
    program = "import sys, time\nfor c in 'ab\\n\\ncd\\n': sys.stdout.write(c); sys.stdout.flush(); time.sleep(0.01)"
    with child(tmp_path, program) as slow:
        assert [slow.line(10) for _ in range(4)] == [b"ab", b"", b"cd", None]


def test_a_silent_child_is_not_waited_for_longer_than_asked(tmp_path):
    with child(tmp_path, "input()") as silent, pytest.raises(TimeoutError, match="did not answer in time"):
        silent.line(0.1)


def test_what_is_sent_comes_back(tmp_path):
    with child(tmp_path, "import sys\nfor line in sys.stdin: print(line, end='', flush=True)") as echo:
        for text in ("{}", "é" * 100_000):
            echo.send(text)
            assert echo.line(10) == text.encode()


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with child(tmp_path, FLOOD) as flood, pytest.raises(ProviderError, match="beyond") as caught:
        flood.line(30)
    assert caught.value.kind is FailureKind.BAD_OUTPUT
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 4 * MAX_LINE


def test_a_flood_that_nobody_reads_stays_in_the_pipe_until_it_is_drained(tmp_path):
    with child(tmp_path, "import sys; sys.stdout.write('x' * 4_000_000)") as flood:
        assert not eventually(lambda: not flood.alive, seconds=0.3)
        flood.drain()
        assert eventually(lambda: not flood.alive)


def test_only_json_objects_are_messages_and_the_rest_goes_to_the_log(tmp_path):
    program = "print('Loading...'); print('{\"a\": 1}'); print('[1]'); print('{\"a\": NaN}'); print('{\"b\": 2}')"
    with child(tmp_path, program) as noisy:
        assert [*noisy.messages(10)] == [{"a": 1}, {"b": 2}]
    assert noisy.log.read_text() == 'Loading...\n[1]\n{"a": NaN}\n'


@pytest.mark.reliability(id="F16")
def test_a_lost_child_tells_how_it_ended_and_its_own_last_words(tmp_path):
    for word in ("first", "second"):
        with child(tmp_path, f"import os, sys; print('{word}', file=sys.stderr, flush=True); os.abort()") as crashed:
            assert crashed.line(10) is None
            assert str(crashed.lost()) == f"child (pid {crashed.pid}) was ended by SIGABRT. {word}"
    with pytest.raises(ProviderError, match="SIGABRT"):
        crashed.send("{}")


def test_the_log_starts_anew_when_it_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr("loop.runtime.child.MAX_LOG", 10)
    for _ in range(2):
        with child(tmp_path, "import sys; print('twelve bytes', file=sys.stderr)") as talkative:
            talkative.line(10)
    assert [path.read_text() for path in sorted((tmp_path / "logs").iterdir())] == ["twelve bytes\n"] * 2


def test_a_child_sees_no_credential_of_ours_but_what_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "canary")
    assert "canary" not in scrubbed({}).values()
    program = "import os; print(sorted(v for v in os.environ.values() if 'canary' in v), flush=True)"
    with child(tmp_path, program, environment={"GIVEN": "another canary"}) as curious:
        assert curious.line(10) == b"['another canary']"


def test_a_child_finds_the_modules_that_we_find(tmp_path, monkeypatch):
    """PYTHONPATH and the working directory, in one order; the library and what is installed it has itself."""
    for name in ("given", "named", "here"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"part_{name}.py").write_text(f"FROM = {name!r}")
        (tmp_path / name / "part_all.py").write_text(f"FROM = {name!r}")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "named"), str(tmp_path / "none"), *sys.path])
    program = (
        "import sys, json, part_given, part_named, part_here, part_all\n"
        "print(json.dumps([part_all.FROM, sys.path.count(json.__path__[0][:-5])]), flush=True)"
    )
    with child(tmp_path, program, environment={"PYTHONPATH": str(tmp_path / "given")}) as curious:
        assert json.loads(curious.line(10)) == ["given", 1]


def test_a_program_that_is_not_there_is_fatal(tmp_path):
    with pytest.raises(ProviderError, match="no-such-program") as caught:
        Child("x", ["no-such-program"], run=tmp_path, logs=tmp_path)
    assert caught.value.kind is FailureKind.FATAL


def test_a_child_can_end_all_that_it_started_and_itself(tmp_path):
    program = (
        "import subprocess, sys; from loop.runtime.child import end_session;"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True); end_session()"
    )
    with child(tmp_path, program) as ending:
        grandchild = int(ending.line(10))
        assert eventually(lambda: not ending.alive)
        assert eventually(lambda: not living([grandchild]))
